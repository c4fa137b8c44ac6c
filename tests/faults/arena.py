"""A job under load, the faults that are done to it, and the account at the end."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.faults.account import account_for
from tests.faults.cluster import Cluster
from tests.faults.load import RATE, Load
from tests.faults.proxy import Api, Side
from tests.faults.report import Row
from tests.faults.watch import OutputWatch
from tests.support.job import Job, Site
from tests.support.outputs import OpenTransactions
from tests.support.program import Daemon
from tests.support.waiting import wait_until

RECOVERY_TIMEOUT = 60.0
CATCH_UP_TIMEOUT = 90.0
SESSION_TIMEOUT = "6"


class Arena:
    """What a fault test works with: brokers, a job under load, daemons on it."""

    def __init__(self, cluster: Cluster, site: Site, row: Row, seed: str, delivery: str) -> None:
        self.cluster = cluster
        self.random = random.Random(seed)
        self.deleted: Counter[str] = Counter()
        """By message id, records that a test has deleted with their topic."""
        self._site = site
        self._row = row
        self._delivery = delivery

    @contextmanager
    def running(self, partitions: int, rate: int) -> Iterator["Arena"]:
        """At the end everything is worked off, stopped and accounted for."""
        with ExitStack() as stack:
            self.job = stack.enter_context(Job(self._site, partitions))
            self.load = Load(self.job, rate)
            self.watch = stack.enter_context(OutputWatch(self.job).running())
            try:
                with self.load.running():
                    yield self
                self._settle()
            finally:
                self.cluster.mend()

    def start(self, **settings: str) -> Daemon:
        return self.launch(**settings).wait_for_start()

    def launch(self, **settings: str) -> Daemon:
        """A daemon that reaches the brokers through their proxies."""
        return self.job.launch(
            self.job.settings(
                KAFKA_BOOTSTRAP_SERVERS=self.cluster.proxied_servers,
                DELIVERY=self._delivery,
                MAX_MESSAGE_AGE="0",
                SESSION_TIMEOUT=SESSION_TIMEOUT,
                **settings,
            )
        )

    def wait_for_output(self) -> None:
        """Return once every partition has new output."""
        self.watch.begin()
        self.watch.seconds_to_output(self.job.partitions, RECOVERY_TIMEOUT)

    def wait_for_empty_group(self) -> None:
        """Return once the brokers have forgotten all members."""
        wait_until(lambda: not self.job.members(), lambda: f"no members: {self.job.members()}")

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
        own = f"{self.job.group}-"
        return [
            each.state
            for each in self.cluster.transactions()
            if each.transactional_id.startswith(own)
        ]

    def begin_fault(self) -> None:
        self.watch.begin()

    def end_fault(self) -> None:
        """Return once every partition has output that was written after `begin_fault`."""
        seconds = self.watch.seconds_to_output(self.job.partitions, RECOVERY_TIMEOUT)
        self._row.times += 1
        self._row.recoveries.append(seconds)

    def _settle(self) -> None:
        running = [daemon for daemon in self.job.daemons if daemon.is_running]
        self.cluster.mend()
        self._wait_until_done(running)
        for daemon in running:
            daemon.stop()
        self._wait_for_end_of_transactions()
        account = account_for(self.job, self.deleted)
        self._row.messages += account.messages
        self._row.lost += len(account.lost)
        logs = "\n\n".join(daemon.log for daemon in self.job.daemons)
        assert not account.lost and not account.wrong, f"{account}\n{logs}"
        if self._delivery == "exactly-once":
            self._row.doubled += len(account.doubled)
            assert not account.doubled, f"{account}\n{logs}"

    def _wait_until_done(self, running: list[Daemon]) -> None:
        wait_until(
            lambda: self.job.committed_total() >= self.load.end,
            lambda: (
                f"{self.load.end} done: {self.job.committed()}\n"
                + "\n\n".join(daemon.log for daemon in running)
            ),
            CATCH_UP_TIMEOUT,
        )

    def _wait_for_end_of_transactions(self) -> None:
        reader = self.job.reader()
        open_transactions = OpenTransactions(self.job.site.broker, reader.partitions)
        try:
            wait_until(lambda: not open_transactions.any(), "the end of all transactions", 45)
        finally:
            open_transactions.close()
            reader.close()
