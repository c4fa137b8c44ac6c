"""Connections beyond Kafka: the HTTP that we send and the ports that we listen on."""
