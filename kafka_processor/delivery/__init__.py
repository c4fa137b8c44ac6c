"""A batch, and how it is published and committed."""
