"""Topics: what they have to be like, and how missing ones are created."""
