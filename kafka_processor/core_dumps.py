"""No core dumps on Linux: one would hold the key, and passwords."""

import ctypes
import sys
from contextlib import suppress
from typing import Final

_PR_SET_DUMPABLE: Final = 4
"""Of prctl(2)."""


def forbid_core_dumps() -> None:
    """The limit alone does not stop a core that the kernel hands to a program."""
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415  # not on Windows

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):  # of a C library without it
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
