"""What a broker that did not start said, and what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

from hub.errors import BrokerUnavailable

_TAIL = 15  # lines
_KNOWN = (
    (
        r"No space left on device|Errno 28",
        "the disk is full",
        "make room on the disk that holds var/, then start again",
    ),
    (
        r"Address already in use|Socket server failed to bind",
        "another program took its port while it started",
        "start again: other ports are chosen",
    ),
    (
        r"Failed to acquire lock on file \.lock",
        "another Kafka that the hub did not start runs on this folder",
        "end that process, then start again",
    ),
    (r"Permission denied|Errno 13", "its folder cannot be written", "mend the rights of var/kafka"),
    (
        r"OutOfMemoryError|Cannot allocate memory|insufficient memory",
        "there is not enough memory",
        "512 MB are needed; or set HUB_KAFKA to a broker elsewhere",
    ),
)


def failed(said: str, log: Path, *, port_free: bool = True, silent: bool = False) -> BrokerUnavailable:
    """Return the error for a broker that ended or is silent: the cause as far as known, else its last lines."""
    if not port_free:
        said += "\nAddress already in use"
    for pattern, cause, mend in _KNOWN:
        if re.search(pattern, said):
            return BrokerUnavailable(f"the local Kafka did not start: {cause}", place=str(log), mend=mend)
    tail = "\n".join(said.strip().splitlines()[-_TAIL:]) or "it said nothing"
    what = "the local Kafka did not start: " + ("it runs and does not answer" if silent else "it ended")
    return BrokerUnavailable(f"{what}:\n{tail}", place=str(log), mend="see the log above")
