"""Hypothesis profiles, chosen by HYPOTHESIS_PROFILE.

`quick` is for `make test-unit`, `search` looks for new failures. Both others run fixed examples.
"""

import os

from hypothesis import settings

settings.register_profile("default", derandomize=True, max_examples=60, deadline=None)
settings.register_profile("quick", derandomize=True, max_examples=10, deadline=None)
settings.register_profile("search", max_examples=10_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
