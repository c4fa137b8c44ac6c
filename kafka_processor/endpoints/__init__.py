"""Connections other than Kafka: HTTP requests, and ports that we listen on."""
