"""Two questions to a broker over one socket: does it serve, and where do a topic's partitions end.

The client library takes longer to load than the answers to come. Shapes: Metadata (API key 3) in version 4, which
creates no topic, and ListOffsets (API key 2) in version 1 of the Kafka protocol.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO

from hub.errors import BrokerUnavailable

LIMIT = 5.0  # seconds
_METADATA, _LIST_OFFSETS = (3, 4), (2, 1)  # key and version
_NONE, _UNKNOWN_TOPIC = 0, 3
_LATEST = -1
_FAULTS = (OSError, struct.error, ValueError, KeyError)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a broker knows: the brokers' addresses by id, and each partition's leader (none for no such topic)."""

    brokers: Mapping[int, str]
    leaders: Mapping[int, int] = field(default_factory=dict)


def serves(bootstrap: str, *, limit: float = 2.0) -> bool:
    """Say whether the broker at `host:port` answers within `limit` seconds that it is part of its cluster."""
    try:
        return bool(_cluster(bootstrap, None, limit).brokers)
    except _FAULTS:
        return False


def end_offsets(bootstrap: str, topic: str, *, limit: float = LIMIT) -> dict[int, int]:
    """Return the next offset of each partition of a topic, none if there is no such topic.

    Raises BrokerUnavailable.
    """
    fault: Exception | None = None
    for address in bootstrap.split(","):
        try:
            return _ends(address.strip(), topic, limit)
        except _FAULTS as error:
            fault = error
    raise BrokerUnavailable(f"Kafka at {bootstrap} does not answer: {fault}", mend="hub kafka status", code="kafka")


def _ends(address: str, topic: str, limit: float) -> dict[int, int]:
    cluster = _cluster(address, topic, limit)
    found: dict[int, int] = {}
    for leader in set(cluster.leaders.values()):
        mine = [partition for partition, at in cluster.leaders.items() if at == leader]
        found |= _ends_at(cluster.brokers[leader], topic, mine, limit)
    return found


def _cluster(address: str, topic: str | None, limit: float) -> Cluster:
    names = [topic] if topic is not None else []
    body = struct.pack(">i", len(names)) + b"".join(_text(name) for name in names) + b"\0"
    with _call(address, _METADATA, body, limit) as answer:
        _int(answer, 4)  # throttled
        brokers = {}
        for _ in range(_int(answer, 4)):
            number, host, port = _int(answer, 4), _read_text(answer), _int(answer, 4)
            brokers[number] = f"{host}:{port}"
            _read_text(answer)  # rack
        _read_text(answer)  # cluster
        _int(answer, 4)  # controller
        leaders: dict[int, int] = {}
        for _ in range(_int(answer, 4)):
            error = _int(answer, 2)
            if error not in {_NONE, _UNKNOWN_TOPIC}:
                raise ValueError(f"Kafka error {error}")
            _read_text(answer)
            _int(answer, 1)  # internal
            leaders |= dict(_partition(answer) for _ in range(_int(answer, 4)))
    return Cluster(brokers, leaders)


def _partition(answer: IO[bytes]) -> tuple[int, int]:
    """Return a partition and its leader."""
    _int(answer, 2)
    found = _int(answer, 4), _int(answer, 4)
    for _ in ("replicas", "in sync"):
        answer.read(4 * _int(answer, 4))
    return found


def _ends_at(address: str, topic: str, partitions: Sequence[int], limit: float) -> dict[int, int]:
    asked = b"".join(struct.pack(">iq", partition, _LATEST) for partition in partitions)
    body = struct.pack(">ii", -1, 1) + _text(topic) + struct.pack(">i", len(partitions)) + asked
    found = {}
    with _call(address, _LIST_OFFSETS, body, limit) as answer:
        for _ in range(_int(answer, 4)):
            _read_text(answer)
            for _ in range(_int(answer, 4)):
                partition, error, _, offset = struct.unpack(">ihqq", answer.read(22))
                if error != _NONE:
                    raise ValueError(f"Kafka error {error}")
                found[partition] = offset
    return found


@contextmanager
def _call(address: str, api: tuple[int, int], body: bytes, limit: float) -> Iterator[IO[bytes]]:
    """Send one request and give its answer, past the header."""
    host, _, port = address.rpartition(":")
    message = struct.pack(">hhi", *api, 1) + _text("hub") + body
    with socket.create_connection((host.strip("[]"), int(port)), timeout=limit) as connection:
        connection.sendall(struct.pack(">i", len(message)) + message)
        with connection.makefile("rb") as stream:
            (size,) = struct.unpack(">i", stream.read(4))
            yield BytesIO(stream.read(size)[4:])


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value.encode())) + value.encode()


def _read_text(answer: IO[bytes]) -> str:
    return answer.read(max(0, _int(answer, 2))).decode()


def _int(answer: IO[bytes], size: int) -> int:
    read = answer.read(size)
    if len(read) != size:
        raise ValueError("the answer is cut short")
    return int.from_bytes(read, "big", signed=True)
