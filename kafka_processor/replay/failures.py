"""What ends a replay before it is done."""


class ReplayError(Exception):
    """It cannot go on (exit code 1); the message says why and what to do."""


class StoppedError(Exception):
    """SIGINT or SIGTERM; raised where nothing is left half done."""

    def __init__(self) -> None:
        super().__init__("stopped by a signal; the same command goes on from here")


class RecordRefused(Exception):
    """The broker refuses a copy for a cause in the copy itself.

    `position`: partition and offset of the message that was to be repeated; None if others were
    in the same batch, so that it is not known which of them is to blame.
    """

    def __init__(self, position: tuple[int, int] | None, reason: str) -> None:
        super().__init__(reason)
        self.position = position
