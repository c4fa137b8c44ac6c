"""The listed fields of a message: how they are decoded, and their forms."""
