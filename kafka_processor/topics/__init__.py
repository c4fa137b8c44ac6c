"""Topics: how they must be configured, and how missing ones are created."""
