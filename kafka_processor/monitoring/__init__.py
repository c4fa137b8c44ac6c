"""What the loop reports of itself."""
