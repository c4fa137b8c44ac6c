"""What all Kafka clients share: configuration, errors, commits, disposal."""
