"""What is read of a message: its listed fields, their formats, and its headers."""
