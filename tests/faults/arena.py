"""A job under load, the faults that are done to it, and the account at the end."""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal

from confluent_kafka.admin import AclBinding, AclBindingFilter  # type: ignore[attr-defined]

from tests.faults.account import account_for
from tests.faults.cluster import Cluster
from tests.faults.load import RATE, Load
from tests.faults.proxy import Api, Side
from tests.faults.report import Row
from tests.faults.watch import OutputWatch
from tests.faults.wire import Transaction
from tests.support.job import Job, Site
from tests.support.program import Daemon
from tests.support.waiting import wait_until

Delivery = Literal["exactly-once", "at-least-once"]
RECOVERY_TIMEOUT = 60.0
CATCH_UP_TIMEOUT = 90.0
SESSION_TIMEOUT = "4"


class Arena:
    """What a fault test works with: brokers, a job under load, daemons on it."""

    def __init__(
        self,
        cluster: Cluster,
        site: Site,
        row: Row,
        seed: str,
        delivery: Delivery = "exactly-once",
        partitions: int = 4,
        load: type[Load] = Load,
    ) -> None:
        self.cluster = cluster
        self.random = random.Random(seed)
        self.deleted: Counter[str] = Counter()
        """By message id, records that a test has deleted with their topic."""
        self._site = site
        self._row = row
        self._delivery = delivery
        self._partitions = partitions
        self._load = load

    @contextmanager
    def running(self) -> Iterator["Arena"]:
        """At the end everything is worked off, stopped and accounted for."""
        with ExitStack() as stack:
            self.job = stack.enter_context(Job(self._site, self._partitions))
            self.load = self._load(self.job, RATE)
            self.watch = stack.enter_context(OutputWatch(self.job).running())
            try:
                with self.load.running():
                    yield self
                    self.cluster.mend()
                self._settle()
            finally:
                self.cluster.mend()

    def start(self, **settings: str) -> Daemon:
        return self.launch(**settings).wait_for_start()

    def launch(self, **settings: str) -> Daemon:
        """A daemon that reaches the brokers through their proxies."""
        return self.job.launch(
            self.job.settings(
                **{
                    "KAFKA_BOOTSTRAP_SERVERS": self.cluster.proxied_servers,
                    "DELIVERY": self._delivery,
                    "MAX_MESSAGE_AGE": "0",
                    "SESSION_TIMEOUT": SESSION_TIMEOUT,
                    **settings,
                }
            )
        )

    def wait_for_output(self) -> None:
        """Return once every partition has new output."""
        self.watch.begin()
        self.watch.seconds_to_output(self.job.partitions, RECOVERY_TIMEOUT)

    def wait_for_empty_group(self) -> None:
        """Return once the brokers have forgotten all members."""
        wait_until(lambda: not self.job.members(), lambda: f"no members: {self.job.members()}")

    def wait_until_done(self) -> None:
        """Return once everything that has arrived in the input is worked off."""
        wait_until(
            lambda: self.job.committed_total() >= self.load.end,
            lambda: (
                f"{self.load.end} done: {self.job.committed()}\n"
                + "\n\n".join(daemon.log for daemon in self._running_daemons())
            ),
            CATCH_UP_TIMEOUT,
        )

    def wait_for_standstill(self) -> None:
        """Return once no offset is committed while a second's worth of messages arrives."""
        before, arrived = self.job.committed(), self.load.end

        def stood_still() -> bool:
            nonlocal before, arrived
            if self.load.end < arrived + RATE:
                return False
            earlier, before, arrived = before, self.job.committed(), self.load.end
            return earlier == before

        wait_until(stood_still, lambda: f"a standstill: {before}", RECOVERY_TIMEOUT)

    def wait_for_any_moment(self) -> None:
        """Return in the middle of the work, after a random number of messages."""
        target = self.watch.seen + self.random.randint(1, 2 * RATE)
        wait_until(lambda: self.watch.seen >= target, lambda: f"output: {self.watch.seen}")

    @contextmanager
    def holding(self, api: Api, side: Side, until_held: bool = True) -> Iterator[threading.Event]:
        """Entered once such a request of a daemon, or the response to it, is held back; what is
        held back never arrives. `until_held=False`: the block has to bring it about."""
        held = self.cluster.hold(api, side)
        try:
            if until_held:
                wait_until(held.is_set, f"a held {api.name}")
            yield held
        finally:
            self.cluster.release()

    def transaction_states(self) -> list[str]:
        """Of this job's transactions, as the brokers list them."""
        return [each.state for each in self._own_transactions()]

    def _own_transactions(self) -> list[Transaction]:
        own = f"{self.job.group}/"
        return [
            each for each in self.cluster.transactions() if each.transactional_id.startswith(own)
        ]

    def transactional_id(self) -> str:
        """Of this job's only daemon."""
        return self._own_transactions()[0].transactional_id

    def change_acls(
        self, grant: Sequence[AclBinding] = (), revoke: Sequence[AclBinding] = ()
    ) -> None:
        admin = self.job.admin
        futures = [*admin.create_acls(list(grant)).values()] if grant else []
        filters = [
            AclBindingFilter(
                each.restype,
                each.name,
                each.resource_pattern_type,
                each.principal,
                each.host,
                each.operation,
                each.permission_type,
            )
            for each in revoke
        ]
        futures += admin.delete_acls(filters).values() if filters else []
        for future in futures:
            future.result(RECOVERY_TIMEOUT)

    def begin_fault(self) -> None:
        self.watch.begin()

    def end_fault(self) -> None:
        """Return once every partition has output that was written after `begin_fault`."""
        seconds = self.watch.seconds_to_output(self.job.partitions, RECOVERY_TIMEOUT)
        self._row.times += 1
        self._row.recoveries.append(seconds)

    def _settle(self) -> None:
        self.wait_until_done()
        for daemon in self._running_daemons():
            daemon.stop()
        self.job.wait_for_end_of_transactions()
        account = account_for(self.job, self.deleted)
        self._row.messages += account.messages
        self._row.lost += len(account.lost)
        logs = self.job.logs()
        assert not account.lost and not account.wrong, f"{account}\n{logs}"
        self._row.may_repeat = self._delivery == "at-least-once"
        if self._delivery == "exactly-once":
            self._row.doubled += len(account.doubled)
            assert not account.doubled, f"{account}\n{logs}"

    def _running_daemons(self) -> list[Daemon]:
        return [daemon for daemon in self.job.daemons if daemon.is_running]
