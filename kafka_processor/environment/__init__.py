"""Where settings come from, and what users are warned of."""
