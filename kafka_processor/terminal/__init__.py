"""Command lines, and what is written to stdout and stderr."""
