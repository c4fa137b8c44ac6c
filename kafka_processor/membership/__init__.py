"""Which partitions are ours, and at which offset each starts."""
