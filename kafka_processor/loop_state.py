"""The states of the loop, what happens to it, and every transition, as one table.

The loop keeps no flag of its own about what it is doing: it asks `LoopState.is_in`, and reports
each event with `LoopState.handle`, which raises where the table has no transition. The same table
is in `docs/delivery.md` ("The states of the loop"), with the reasons; a test compares the two.

A batch is in hand in `BATCH_OPEN` and `COMMITTING` only. Partitions go in any other state: before
they go, a revocation commits the batch, and a loss fails it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class State(Enum):
    JOINING = "joining"
    """Not a member of the group yet, or the producer has not started."""
    IDLE = "idle"
    """No batch in hand."""
    BATCH_OPEN = "batch open"
    """Records are being produced; the commit has not begun."""
    COMMITTING = "committing"
    """The commit is in flight; messages processed meanwhile are buffered."""
    RECOVERING = "recovering"
    """The last batch failed and was dropped; the producer has not recovered yet."""
    STOPPING = "stopping"
    """Leaving the group, or gone: nothing is committed any more."""


class Event(Enum):
    JOINED = "joined"
    """The group is joined and the producer has started."""
    OPENED = "opened"
    """A batch was opened."""
    COMMIT_BEGUN = "commit begun"
    """Everything of the batch is produced, and its commit is in flight."""
    COMMITTED = "committed"
    """The commit succeeded."""
    FAILED = "failed"
    """The batch, or reading on where partitions are, has failed."""
    RECOVERED = "recovered"
    """The producer can publish again."""
    REVOKED = "revoked"
    """Partitions are about to go to another member."""
    LOST = "lost"
    """Partitions went to another member already."""
    LEFT = "left"
    """The process leaves the group."""


TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = {
    State.JOINING: {
        Event.JOINED: State.IDLE,
        Event.REVOKED: State.JOINING,
        Event.LOST: State.JOINING,
        Event.LEFT: State.STOPPING,
    },
    State.IDLE: {
        Event.OPENED: State.BATCH_OPEN,
        Event.FAILED: State.RECOVERING,
        Event.REVOKED: State.IDLE,
        Event.LOST: State.IDLE,
        Event.LEFT: State.STOPPING,
    },
    State.BATCH_OPEN: {
        Event.COMMIT_BEGUN: State.COMMITTING,
        Event.FAILED: State.RECOVERING,
        Event.LEFT: State.STOPPING,
    },
    State.COMMITTING: {
        Event.COMMITTED: State.IDLE,
        Event.FAILED: State.RECOVERING,
        Event.LEFT: State.STOPPING,
    },
    State.RECOVERING: {
        Event.FAILED: State.RECOVERING,
        Event.RECOVERED: State.IDLE,
        Event.REVOKED: State.RECOVERING,
        Event.LOST: State.RECOVERING,
        Event.LEFT: State.STOPPING,
    },
    State.STOPPING: {
        Event.REVOKED: State.STOPPING,
        Event.LOST: State.STOPPING,
        Event.LEFT: State.STOPPING,
    },
}


class IllegalTransition(RuntimeError):
    """A defect of the loop: the event cannot happen in this state."""


class LoopState:
    """Changed by the loop's thread; any thread may read it."""

    def __init__(self) -> None:
        self.current = State.JOINING

    def is_in(self, *states: State) -> bool:
        """Whether the loop is in one of the states."""
        return self.current in states

    def handle(self, event: Event) -> None:
        """Moves to the state that the table gives. Raises IllegalTransition if it gives none."""
        state = TRANSITIONS[self.current].get(event)
        if state is None:
            raise IllegalTransition(f"{event.value!r} cannot happen while {self.current.value!r}")
        self.current = state
