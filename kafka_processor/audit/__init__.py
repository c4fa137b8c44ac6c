"""`kafka-processor audit`: compares every input message with all outputs (`docs/audit.md`).

It applies the rules of `docs/contract.md` with code of its own: of the daemon it imports neither
the pipeline nor the checks nor the encoders that it audits.
"""
