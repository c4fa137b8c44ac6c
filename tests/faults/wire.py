"""Two questions to a broker that the Python client cannot ask, in Kafka's own protocol.

Both requests are of flexible versions (KIP-482): strings and arrays carry their length plus one
as an unsigned varint, and every structure ends with its tagged fields, here always none.
"""

import socket
import struct
from dataclasses import dataclass

HOST = "127.0.0.1"
TIMEOUT = 10.0
NO_TAGS = b"\0"
LIST_TRANSACTIONS = 66
DESCRIBE_QUORUM = 55


@dataclass(frozen=True)
class Transaction:
    transactional_id: str
    state: str
    """As Kafka names it: `Ongoing`, `PrepareCommit`, `CompleteCommit`, `Empty`, …"""


def list_transactions(port: int) -> list[Transaction]:
    """What the broker knows, as the coordinator of some transactional ids (KIP-664)."""
    any_state = any_producer = _varint(1)
    answer = _ask(port, LIST_TRANSACTIONS, any_state + any_producer + NO_TAGS)
    answer.int32()  # throttle time
    assert answer.int16() == 0, "the broker does not list its transactions"
    for _ in range(answer.length()):
        answer.string()  # states that it does not know
    transactions = []
    for _ in range(answer.length()):
        transactional_id, _, state = answer.string(), answer.int64(), answer.string()
        answer.tags()
        transactions.append(Transaction(transactional_id, state))
    return transactions


def active_controller(port: int) -> int:
    """The node id of the leader of the metadata quorum (KIP-595)."""
    partition = struct.pack(">i", 0) + NO_TAGS
    topic = _string("__cluster_metadata") + _varint(2) + partition + NO_TAGS
    answer = _ask(port, DESCRIBE_QUORUM, _varint(2) + topic + NO_TAGS)
    assert answer.int16() == 0, "the broker does not describe the quorum"
    assert answer.length() == 1 and answer.string() and answer.length() == 1
    answer.int32()  # the partition
    assert answer.int16() == 0, "the quorum has no leader"
    return answer.int32()


class _Answer:
    """Takes an answer apart, field after field."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def int16(self) -> int:
        return self._number(">h", 2)

    def int32(self) -> int:
        return self._number(">i", 4)

    def int64(self) -> int:
        return self._number(">q", 8)

    def length(self) -> int:
        return self._unsigned() - 1

    def string(self) -> str:
        size = self.length()
        self._at += size
        return self._data[self._at - size : self._at].decode()

    def tags(self) -> None:
        assert self._unsigned() == 0, "tagged fields were not expected"

    def _number(self, form: str, size: int) -> int:
        self._at += size
        (value,) = struct.unpack_from(form, self._data, self._at - size)
        return int(value)

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value


def _ask(port: int, api: int, body: bytes) -> _Answer:
    client = b"test"
    header = struct.pack(">hhih", api, 0, 1, len(client)) + client + NO_TAGS
    request = header + body
    with socket.create_connection((HOST, port), timeout=TIMEOUT) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            (size,) = struct.unpack(">i", stream.read(4))
            answer = _Answer(stream.read(size))
    answer.int32()  # the correlation id
    answer.tags()
    return answer


def _varint(number: int) -> bytes:
    assert number < 0x80
    return bytes([number])


def _string(text: str) -> bytes:
    return _varint(len(text) + 1) + text.encode()
