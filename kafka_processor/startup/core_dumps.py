"""Disables core dumps on Linux: a core contains the key and passwords."""

import ctypes
import sys
from contextlib import suppress
from typing import Final

_PR_SET_DUMPABLE: Final = 4
"""Of prctl(2)."""


def forbid_core_dumps() -> None:
    """Sets the limit, and the dumpable flag: the kernel ignores the limit if it pipes cores to a
    program (core(5))."""
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415  # not on Windows

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):  # the C library lacks prctl
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
