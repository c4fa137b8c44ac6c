"""The states of the loop: the table of docs/delivery.md is that of the code."""

import pytest

from kafka_processor.loop_state import TRANSITIONS, Event, IllegalTransition, LoopState, State
from tests.support.program import PROJECT_FOLDER

PAGE = (PROJECT_FOLDER / "docs" / "delivery.md").read_text("utf-8")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def documented() -> dict[State, dict[Event, State]]:
    section = PAGE.partition("## The states of the loop")[2].partition("###")[0]
    head, _, *rows = (line for line in section.splitlines() if line.startswith("|"))
    events = [Event(name) for name in cells(head)[1:]]
    table = {}
    for row in rows:
        state, *targets = cells(row)
        found = zip(events, targets, strict=True)
        table[State(state)] = {event: State(target) for event, target in found if target}
    return table


def test_the_documented_table_is_the_one_of_the_code() -> None:
    assert documented() == TRANSITIONS


def test_the_table_has_every_state_and_event() -> None:
    assert TRANSITIONS.keys() == set(State)
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_what_the_table_does_not_have_raises(state: State, event: Event) -> None:
    loop = LoopState()
    loop.current = state
    if event in TRANSITIONS[state]:
        loop.handle(event)
        assert loop.current is TRANSITIONS[state][event]
    else:
        with pytest.raises(IllegalTransition, match=event.value):
            loop.handle(event)
        assert loop.current is state


def test_every_state_can_be_reached_and_left() -> None:
    reached = {State.JOINING}
    for _ in State:
        reached |= {target for state in reached for target in TRANSITIONS[state].values()}
    assert reached == set(State)
    assert all(State.STOPPING in TRANSITIONS[state].values() for state in State)
