"""The parts of `verify/verify_delivery.py`: each input message against every output."""
