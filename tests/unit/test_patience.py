"""How long a commit may take before it is given up."""

from kafka_processor.clients.background_commit import Patience


def test_it_grows_with_each_commit_that_is_given_up() -> None:
    patience = Patience(first=3, longest=12)
    seen = [patience.seconds]
    for _ in range(3):
        patience.after_giving_up()
        seen.append(patience.seconds)
    assert seen == [3, 6, 12, 12]


def test_a_commit_that_succeeds_brings_it_back() -> None:
    patience = Patience(first=3, longest=12)
    patience.after_giving_up()
    patience.after_success(took=0.02)
    assert patience.seconds == 3


def test_where_commits_are_slow_they_are_not_given_up() -> None:
    patience = Patience(first=3, longest=12)
    patience.after_success(took=2.5)
    assert patience.seconds == 10
    patience.after_success(took=9)
    assert patience.seconds == 12


def test_it_is_never_longer_than_the_longest() -> None:
    assert Patience(first=3, longest=2).seconds == 2
