"""`kafka-processor replay`: sends failed, filtered and skipped messages to the input again.

The daemon never imports it. Reading order: `command`, `run`, `scanning`, `sending`, which use the
Kafka client; then the pure modules `selection`, `outcomes`, `finding`,
`candidates`, `copies`, `report`. What it promises, and why that holds: `docs/replay.md`.
"""
