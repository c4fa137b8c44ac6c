"""What happens before the loop turns: checks, connection, topics, workers."""
