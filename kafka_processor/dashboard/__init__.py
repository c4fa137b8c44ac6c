"""`kafka-processor dashboard`: a page that shows what the daemons do, from what they publish.

A room of its own: the daemon does not load it. It reads, and changes nothing.
"""
