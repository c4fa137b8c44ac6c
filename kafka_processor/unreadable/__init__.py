"""Records that the client cannot hand out, and how a partition gets past them."""
