"""What intake works with: the sources to read, and the parts that `app.py` lends to every reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any, Literal, Protocol

from hub.adapters.contract import Source
from hub.errors import HubError
from hub.ledger.engine import Ledger
from hub.ledger.sources import Tally
from hub.settings.models import Guard, Protection
from hub.stages.clock import utc_now
from hub.stages.ports import Producer, RowMapper


def every_day(_day: date) -> bool:
    """Say that a day is open, whichever it is: the calendar of a city that has none."""
    return True


@dataclass(frozen=True, slots=True)
class Answers:
    """How the rows of a source answer for a receiver's deliveries: `value(row)` is a delivery's `key` or its `no`.

    `value` raises `Malformed`; `lists` says whom a file names: `errors`, or `all` who were taken; `error` and `warning`
    say of a row that it is a refusal, or that it was taken with a remark; `about` gives, by a file's name, the number
    of the batch that it answers. `due` is the time of day (HH:MM) when an answer to what was delivered before that day
    must be there, on the days that `is_open` says; with `gives_up` what has none then is a dead letter.
    """

    receiver: int
    by: Literal["key", "no"]
    value: Callable[[dict[str, Any]], Any]
    lists: Literal["errors", "all"]
    due: str | None = None
    is_open: Callable[[date], bool] | None = None  # None: the city's days
    error: Callable[[dict[str, Any]], Any] | None = None
    warning: Callable[[dict[str, Any]], Any] | None = None
    about: Callable[[str], Any] | None = None
    gives_up: bool = False


class RowValue(Protocol):
    """A value that an expression finds in a row: `hub.routing.mapping.Expression`."""

    def value(self, row: Mapping[str, Any], today: Callable[[], str]) -> Any:
        """Return the value, None when it is unknown; raises `Malformed`."""
        ...


@dataclass(frozen=True, slots=True)
class Comparing:
    """How a source's rows are compared with what is known of them; the known rows are those of the source `state`.

    `key`, `as_of` and `sequence` are found in a row; `plain` are the columns kept in plain text (None: all), `folder`
    is for notes, `secret` the city's key for marks. Rows of a source in `mode: changes` are only learned from.
    """

    state: str
    key: RowValue
    columns: tuple[str, ...]
    secret: bytes
    folder: Path
    as_of: RowValue | None = None
    sequence: RowValue | None = None
    subject: RowValue | None = None
    plain: frozenset[str] | None = frozenset()
    on: Mapping[str, str] = field(default_factory=dict)  # changed, new, missing → report, publish or review
    after: str | None = None  # the source that shares the state: what it has is read before an extract is judged
    files: bool = True  # a unit's id names its content
    baseline: bool = False  # everything is taken as known


@dataclass(frozen=True, slots=True)
class SourceRunner:
    """One source to be read every so many seconds, the mappers of the publications that name it, and its guard.

    `protection` is set for the source that brings the list of protected residents, `answers` for one that brings a
    system's acknowledgements, `extract` for one in `mode: snapshot`, `shared` for one such a source shares its state
    with.
    """

    system: str
    name: str
    source: Source
    mappers: tuple[RowMapper, ...]
    every: float = 5.0
    guard: Guard | None = None
    protection: Protection | None = None
    answers: Answers | None = None
    extract: Comparing | None = None
    shared: Comparing | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """What every reader works with: `topic` is the events' topic, `city` the name in their types.

    `held` is the folder of held batches (None: no source is guarded); `timezone` and `is_open` are the city's, for
    deadlines.
    """

    producer: Producer
    ledger: Ledger
    topic: str
    city: str
    clock: Callable[[], datetime] = utc_now
    held: Path | None = None
    timezone: tzinfo = UTC
    is_open: Callable[[date], bool] = every_day

    @property
    def now(self) -> int:
        """Return the time in milliseconds since 1970."""
        return int(self.clock().timestamp() * 1000)


@dataclass(slots=True)
class SourceStatus:
    """What a source has done since this process began, and why it stands still now, if it does.

    `held` is the id of a batch that a person must release or reject before more is read.
    """

    system: str
    source: str
    tally: Tally = field(default_factory=Tally)
    read_at: datetime | None = None
    fault: HubError | None = None
    since: datetime | None = None  # of the fault
    held: str | None = None

    def note(self, fault: HubError | None, at: datetime) -> None:
        """Take down a fault (None: it is over); its beginning stays while it lasts."""
        if fault is None:
            self.since = None
        elif self.fault is None:
            self.since = at
        self.fault = fault
