"""Every error the hub raises on purpose, and what the hub does about each.

HubError                      a message, the place it concerns and the mend
├── UsageError                the caller's words are wrong: exit 2
│   ├── ConfigurationError    the city's files are wrong: exit 2, every problem listed
│   └── AmbiguousId           a bare event id fits several sources: exit 2, candidates listed
├── NotFound                  nothing of that name: exit 1
├── Unavailable               a needed service is away: waited out by stages, exit 3 on the command line
│   ├── BrokerUnavailable     Kafka does not answer
│   └── LedgerUnavailable     the database does not answer, is locked, or its disk is full
├── Malformed                 input that cannot become an event or a delivery: quarantine, raw kept
├── Transient                 a receiver that may take it later: pending with backoff
├── Rejected                  a receiver that refused for good: dead letter at once
├── OutcomeUnknown            sent, but no answer: `confirm()` is asked before anything is sent again
├── ReceiverStopped           a receiver cannot go on safely (a foreign hand in its file): it stops, others go on
└── Fenced                    another process has taken over (position or lease): drop the work, read the ledger
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

_CAPITAL = re.compile("(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a file of the city: where, what, and how to mend it.

    `place` is `file:line:column` (1-based) as far as known; `level` is `error` or `warning`.
    """

    place: str
    message: str
    mend: str = ""
    level: str = "error"
    code: str = ""

    def __str__(self) -> str:
        """Return `place: message (mend)` on one line."""
        return (f"{self.place}: " if self.place else "") + self.message + (f" ({self.mend})" if self.mend else "")


class HubError(Exception):
    """Something the hub knows how to name: `message`, `place` and `mend`, each for people; `code` for programs.

    Where nothing more exact is said, the code is the class's name: `not-found` of NotFound.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, place: str = "", mend: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.mend = mend
        self.code = code or _CAPITAL.sub("-", type(self).__name__).lower()

    def __str__(self) -> str:
        """Return the message with its place before and its mend after it."""
        return (f"{self.place}: " if self.place else "") + self.message + (f" ({self.mend})" if self.mend else "")


class UsageError(HubError):
    """The caller's words are wrong."""

    exit_code = 2


class ConfigurationError(UsageError):
    """The city's files are wrong; `problems` lists all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class AmbiguousId(UsageError):
    """A bare event id fits several sources; `candidates` are the full `<system>/<id>` forms."""

    def __init__(self, event_id: str, candidates: list[str]) -> None:
        super().__init__(f"the id {event_id} is used by several sources", mend="say one of: " + ", ".join(candidates))
        self.candidates = candidates


class NotFound(HubError):
    """Nothing of that name exists."""


class Unavailable(HubError):
    """A needed service is away."""

    exit_code = 3


class BrokerUnavailable(Unavailable):
    """Kafka does not answer."""


class LedgerUnavailable(Unavailable):
    """The ledger's database does not answer, is locked, or cannot write."""


class Malformed(HubError):
    """Input that cannot become an event or a delivery; it is quarantined with its raw bytes.

    `code` is a short stable word (`json`, `type-unknown`, `id-reused`, `too-large` …), `message` is for people.
    """


class Transient(HubError):
    """A receiver that may take the delivery later; `retry_after` is in seconds, when it said so.

    `reached` says whether the system answered at all: attempts are counted only when it did.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, reached: bool = False, place: str = "", code: str = ""
    ) -> None:
        super().__init__(message, place=place, code=code)
        self.retry_after = retry_after
        self.reached = reached


class Rejected(HubError):
    """A receiver that refused the delivery for good."""


class OutcomeUnknown(HubError):
    """The delivery was sent and no answer came: it may or may not have taken effect."""


class ReceiverStopped(HubError):
    """A receiver cannot go on without a person; nothing of it is lost."""


class Fenced(HubError):
    """Another process owns what this one was working on."""
