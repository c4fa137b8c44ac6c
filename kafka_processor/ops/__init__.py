"""For whoever runs it: figures for Prometheus, and two questions to ask (OPS_PORT)."""
