"""Message ids: built, and read back strictly."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.message_id import id_at, id_prefix, position_in

topics = st.text("abz019._-", min_size=1, max_size=12)


@given(topics, st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))
@example("a-1", 0, 5)
@example("t", 2**31 - 1, 2**63 - 1)
def test_an_id_is_read_back_for_its_topic_alone(topic: str, partition: int, offset: int) -> None:
    text = id_at(topic, partition, offset)
    assert text == f"{id_prefix(topic, partition)}{offset}"
    assert position_in(topic, text) == (partition, offset)
    assert position_in(f"{topic}-{partition}", text) is None
    assert position_in(topic[:-1], text) is None


@given(
    st.sampled_from(["user-login-0-5", "user-login-1-2", "user-login-12-3456789"])
    | st.text("user-login0123456789./", max_size=30)
    | st.text()
)
def test_no_two_texts_are_one_id(text: str) -> None:
    position = position_in("user-login", text)
    assert position is None or text == id_at("user-login", *position)


@pytest.mark.parametrize(
    "text",
    ["", "user-login", "user-login-", "user-login-0", "user-login-0-", "user-login--1-5",
     "user-login-05-1", "user-login-0-01", "x-user-login-0-1", "user-login-0-5\n",
     " user-login-0-5", "user-login-0-5-7", "user-login-+1-5", "user-login-0-1_0",
     f"user-login-0-{2**63}", f"user-login-{2**31}-0", "user-login-٣-1",
     "user-login-0-" + "9" * 5000],
)  # fmt: skip
def test_any_other_text_is_not_an_id(text: str) -> None:
    assert position_in("user-login", text) is None
