"""No two of daemons, checks and replays have the same transactional id, unless they are to."""

from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.delivery.exactly_once import transactional_id
from kafka_processor.replay.sending import transactional_id as id_of_replay
from kafka_processor.startup.preflight import trial_id
from tests.unit.pipeline_runs import settings

GROUPS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1).filter(
    lambda text: text == text.strip()
)
NAMES = st.text("abz0-._", min_size=1).filter(lambda name: name not in (".", ".."))


@given(st.tuples(GROUPS, NAMES), st.tuples(GROUPS, NAMES))
@example(("login", "blue-0"), ("login-blue", "0"))
@example(("login/blue", "0"), ("login", "blue"))
@example(("login", "one"), ("login", "one-check"))
def test_each_pair_of_group_and_instance_has_its_own(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    first, second = (settings(CONSUMER_GROUP=g, INSTANCE_ID=i) for g, i in (one, other))
    assert (transactional_id(first) == transactional_id(second)) == (one == other)
    assert trial_id(first) != transactional_id(second)
    assert trial_id(first) != id_of_replay(other[1])
    assert transactional_id(first) != id_of_replay(other[1])


def test_without_an_instance_it_is_random_within_the_group() -> None:
    own = settings(CONSUMER_GROUP="login")
    ids = {transactional_id(own), transactional_id(own), trial_id(own)}
    assert len(ids) == 3
    assert all(each.startswith("login/") for each in ids)
