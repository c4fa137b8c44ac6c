"""`kafka-processor replay`: sends failed, filtered and skipped messages to the input again.

A room of its own: the daemon never imports it. Reading order: `command`, `run`, `scanning`,
`sending`, which know the Kafka client; then the pure modules `selection`, `outcomes`, `finding`,
`candidates`, `copies`, `report`. What it promises, and why that holds: `docs/replay.md`.
"""
