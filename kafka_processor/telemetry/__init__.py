"""For OpenTelemetry: traces of batches, and the figures of `/metrics`, sent to a collector."""
