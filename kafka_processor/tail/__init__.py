"""`kafka-processor tail`: shows the records of an output topic as they arrive.

Reading order: `command`, `tailing`, `topic_reader`; then one module for each kind of record.
"""
