"""What an adapter is: a settings model, declared features, and a source, a sink, or both.

An adapter moves bytes. It knows nothing of rules, of the ledger or of Kafka: a source yields rows with their places and
raw bytes, a sink takes deliveries and says what became of each. Adapters are found through the entry-point group
`hub.adapters`; the entry is a class with the shape of `Adapter`.

Errors: sources and sinks raise (or return, per delivery) `hub.errors.Malformed`, `Transient`, `Rejected`,
`OutcomeUnknown`; anything else that escapes is taken as a fault of the adapter: a sink that takes one at a time is
tried again as after `Transient`; of a batch, the delivery that it cannot take is sought and becomes a dead letter.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, overload, runtime_checkable
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict

from hub.errors import HubError, Malformed, UsageError
from hub.settings.layouts import Layout
from hub.settings.models import Characters, TableRow
from hub.settings.shapes import in_seconds

Expression = Annotated[str, "expression"]  # a setting that `Expressions.compile` takes
Duration = Annotated[float, BeforeValidator(in_seconds, json_schema_input_type=float | str)]  # seconds, or `5m`


class AdapterSettings(BaseModel):
    """The base of an adapter's own settings: frozen, unknown keys refused, every field described."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Features:
    """What a transport can promise; the conformance kit holds it to exactly these.

    - `idempotent`: the sink stores the delivery key in its own transaction, so a repeat has no second effect.
    - `prepared`: deliveries are written in two steps, `prepare` then `commit`, and `recover` finishes after a crash.
    - `confirms`: the sink can be asked afterwards whether a delivery took effect.
    - `pulled`: the sink is never called; the system fetches what is on offer and acknowledges it (`pull`).
    - `batch`: the most deliveries one call takes (1 = one by one, in lanes); of a feed, the most on offer.
    - `typed`: people type or scan what the source brings, so that it must ask who each record is about (`identify`).
    """

    source: bool = False
    sink: bool = False
    idempotent: bool = False
    prepared: bool = False
    confirms: bool = False
    pulled: bool = False
    batch: int = 1
    typed: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """Where an adapter works: the city's folder, its time zone and secrets already read. No global state.

    `fields` are the names of what this receiver may be sent over all its rules, in written order (`new_address.town` is
    within another), the flags of protected residents last: file sinks keep their header stable by it. `prefix` is that
    of the Kafka topics. `layouts` are those of `layouts/*.yaml`, by file name. `topics` reads Kafka topics, for the
    `kafka` source, where a Kafka was lent. `text` says how the system writes characters, `tables` are the city's: the
    registry minds both, not the adapter. `needs` are the kinds of event a row may become: the columns that each reads
    of every row, with the places of the mapping that name them.
    """

    folder: Path
    timezone: ZoneInfo
    system: str
    name: str  # of the source or receiver
    city: str = "city"
    fields: tuple[str, ...] = ()
    prefix: str = "hub"
    layouts: Mapping[str, Layout] = field(default_factory=dict)
    topics: Topics | None = None
    text: Characters | None = None
    tables: Mapping[str, tuple[TableRow, ...]] = field(default_factory=dict)
    needs: tuple[Mapping[str, str], ...] = ()

    @property
    def key(self) -> str:
        """Return `<system>.<name>`."""
        return f"{self.system}.{self.name}"


# --- sources -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Row:
    """One record of a source: its columns as decoded, the bytes it came in, and its place (`file:line`).

    `error` is set when the record could not be read; `values` is then empty and `raw` holds what was there. `keep` says
    that the bytes cannot be made again from the values, and are kept with the event. `doubt` says, without values, what
    the transport is not sure of: the row's events wait for a person (`hub review`), and its source is `Confirmable`.
    """

    values: dict[str, Any]
    place: str
    raw: bytes = b""
    error: Malformed | None = None
    keep: bool = False
    doubt: str = ""


@dataclass(slots=True)
class SourceBatch:
    """Up to a few thousand rows, and the position (JSON) that stands after them.

    `label` names the file or query for people; `last` marks the end of that unit (the file may be moved);
    `batch_id` is the unit's id, the same for all its batches; `written` is when the unit was written last by whoever
    made it (milliseconds since 1970), as far as that is known.
    """

    rows: list[Row]
    position: dict[str, Any]
    label: str = ""
    batch_id: str = ""
    last: bool = True
    token: Any = None  # the adapter's own, for acknowledge()
    written: int | None = None


@runtime_checkable
class Source(Protocol):
    """A source of rows. Both methods are called in a worker thread, never two at once.

    A source whose rows stay where they are, so that `read(None)` gives all of them at any time, says `keeps_rows =
    True`. One of files that are kept says in `seen_again` the batch ids of those that came again with the same content;
    one that leaves files alone which are new to it says in `settling` after how many seconds it may take them.
    """

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        """Yield what is there now after the position (None: from the start), then end. Constant memory."""
        ...

    def acknowledge(self, batch: SourceBatch) -> None:
        """Say that all rows of the batch are durable, in Kafka or quarantine: called once per batch, in order."""
        ...


@dataclass(slots=True)
class Seen:
    """What one look beside the files of a city's sources found: strays, which none of them reads.

    By folder (links followed) and name: a source in whose folder it lies, a label for people, and when it was written
    (milliseconds since 1970). `failed` are the sources in whose folders something could not be looked into.
    """

    strays: dict[tuple[str, str], tuple[str, str, int]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)


@runtime_checkable
class Called(Protocol):
    """A source whose system calls by itself, over HTTP; its `read` yields nothing.

    `window` is how long a call may be on its way, in seconds: so long the id of one that was taken is remembered.
    """

    window: float

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> str:
        """Return the id of a call (names of `headers` in lower case, `now` in seconds since 1970).

        Raises `Rejected` (`signature`, `timestamp`) when it does not prove who called, or when.
        """
        ...

    def rows(self, body: bytes) -> list[Row]:
        """Return the rows of a call. Raises `Malformed` for a body that holds none."""
        ...


@runtime_checkable
class Rereadable(Protocol):
    """A source of files that takes up again what it once handed out as raw bytes."""

    def again(self, raw: bytes, head: bytes) -> list[Row]:
        """Return the rows of a record, of several, or of a whole file.

        `head` is the first line of the file they came from, empty when that is gone. Raises `UsageError` when they
        cannot be told without it.
        """
        ...


@runtime_checkable
class Confirmable(Rereadable, Protocol):
    """A source that is not sure of everything it reads (`Row.doubt`)."""

    def confirmed(self, raw: bytes, values: Mapping[str, str]) -> bytes:
        """Return a row's bytes as a person has confirmed them, with other values where they say so, for `again`.

        Raises `Malformed` for bytes that are no such row, `UsageError` for a name that is not in it.
        """
        ...


@runtime_checkable
class Rewindable(Protocol):
    """A source whose position a person can set back to a place in between."""

    def rewound(self, position: dict[str, Any] | None, to: str) -> dict[str, Any] | None:
        """Return the position from which what comes after `to` is read again; raises `UsageError`."""
        ...


# --- sinks ---------------------------------------------------------------------------------------------------------


class Delivery:
    """One thing one receiver is to be told.

    `key` is the delivery key, `no` grows per receiver, `action` is new | correct | cancel | seed, `body` is the
    projected CloudEvent as UTF-8 JSON. `type` is the short type. `sequence`, `corrects`, `restored`, `batchid` stand
    in the body.
    """

    __slots__ = ("_event", "action", "body", "event_id", "key", "no", "subject", "time", "type")

    def __init__(
        self, key: str, no: int, event_id: str, type_: str, subject: str, time: str, body: bytes, action: str = "new"
    ) -> None:
        self.key = key
        self.no = no
        self.event_id = event_id
        self.type = type_
        self.subject = subject
        self.time = time
        self.body = body
        self.action = action
        self._event: dict[str, Any] | None = None

    @property
    def event(self) -> dict[str, Any]:
        """Return the projected CloudEvent, decoded once."""
        if self._event is None:
            self._event = orjson.loads(self.body)
        return self._event

    @property
    def data(self) -> dict[str, Any]:
        """Return the fields of `send` (absent fields stay absent)."""
        data: dict[str, Any] = self.event["data"]
        return data


class Deliveries(Sequence[Delivery]):
    """Deliveries that are made when somebody looks at one; what is sent of them all is there: `lines`."""

    __slots__ = ()

    @property
    @abstractmethod
    def lines(self) -> bytes | None:
        """Return each body, in order, and a line break after it; None where a body holds line breaks itself."""


@dataclass(slots=True)
class Batch:
    """Deliveries of one receiver in order; `no` grows per receiver, `date` is `YYYY-MM-DD` in the city's zone."""

    receiver: str
    no: int
    date: str
    deliveries: Sequence[Delivery]


@dataclass(slots=True)
class Outcome:
    """What became of one delivery: `error` None means it took effect; else its class says what follows.

    What took effect with a `detail` is a `warning`: not all of it arrived as it was. `code` names that, as an error's;
    code points (`U+9AD9,U+20BB7`) are characters the system does not have, and its department is told of them.
    """

    key: str
    error: HubError | None = None
    detail: str = ""
    code: str = ""


class Delivered(Sequence[Outcome]):
    """The outcomes of deliveries that all took effect, in order; each is made when it is looked at."""

    __slots__ = ("_deliveries",)

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = deliveries

    def __len__(self) -> int:
        return len(self._deliveries)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> Delivered: ...
    def __getitem__(self, index: int | slice) -> Outcome | Delivered:
        """Return one outcome, or those of a slice."""
        if isinstance(index, slice):
            return Delivered(self._deliveries[index])
        return Outcome(self._deliveries[index].key)


@runtime_checkable
class Sink(Protocol):
    """A sink that takes a batch at once. `deliver` answers one outcome for every delivery, in order."""

    async def deliver(self, batch: Batch) -> Sequence[Outcome]:
        """Deliver; raise only when the same is true of the whole batch (a `Transient`, say)."""
        ...

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Say of each delivery whether it took effect (None: cannot be known). Only if `confirms`."""
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...


@runtime_checkable
class PreparedSink(Protocol):
    """A sink in two steps (files). The hub records the token between them, so that a crash can be finished.

    `prepare` does all that can fail and leaves nothing a reader could see; `commit` makes it visible. After a crash
    `recover` is called with the recorded token and the same batch, rebuilt byte for byte: it finishes the batch exactly
    once and answers as `commit` does. What stands there and is not the hub's raises `ReceiverStopped`.
    """

    async def prepare(self, batch: Batch) -> dict[str, Any]:
        """Write and fsync what a crash must not lose; return the token (small JSON)."""
        ...

    async def commit(self, batch: Batch, token: dict[str, Any]) -> Sequence[Outcome]:
        """Make the prepared batch visible, durably."""
        ...

    async def recover(self, batch: Batch, token: dict[str, Any]) -> Sequence[Outcome]:
        """Finish a batch that was prepared before a crash."""
        ...

    async def withdraw(self, batch: Batch, token: dict[str, Any]) -> bool:
        """Undo `prepare` if a reader can have seen nothing whole of the batch yet; say whether that was so.

        Asked when a resident became protected after the batch was made; what was withdrawn is prepared anew.
        """
        ...

    async def close(self) -> None:
        """Let go of files and locks."""
        ...


class Adapter(Protocol):
    """A transport: the class registered under `hub.adapters`."""

    name: ClassVar[str]
    title: ClassVar[dict[str, str]]
    features: ClassVar[Features]
    SourceSettings: ClassVar[type[AdapterSettings] | None]
    SinkSettings: ClassVar[type[AdapterSettings] | None]

    @classmethod
    def source(cls, settings: Any, site: Site) -> Source:
        """Open a source."""
        ...

    @classmethod
    def sink(cls, settings: Any, site: Site, port: Any = None) -> Sink | PreparedSink:
        """Open a sink; `port` is what app.py lends (expressions for `database` and `http`, a producer for `kafka`).

        Every expression of the settings is compiled here, and nothing is written or connected to: `hub check` opens
        sinks to learn their expressions.
        """
        ...


class Transport:
    """A base for adapters: one that only reads or only writes leaves the other side as it is here."""

    SourceSettings: ClassVar[type[AdapterSettings] | None] = None
    SinkSettings: ClassVar[type[AdapterSettings] | None] = None

    @classmethod
    def source(cls, settings: Any, site: Site) -> Source:  # noqa: ARG003
        """Open a source; raises `UsageError`, as this transport has none."""
        raise UsageError(f"{cls.__name__} has no source", place=site.key)

    @classmethod
    def sink(cls, settings: Any, site: Site, port: Any = None) -> Sink | PreparedSink:  # noqa: ARG003
        """Open a sink; raises `UsageError`, as this transport has none."""
        raise UsageError(f"{cls.__name__} has no sink", place=site.key)


class OneByOne:
    """A base for sinks that take one delivery at a time: `tell` is called in a worker thread and says it took effect.

    It raises `Transient`, `Rejected` or `OutcomeUnknown` for a delivery that did not, or of which that is not known.
    """

    def tell(self, delivery: Delivery) -> None:
        """Return when the delivery has taken effect, durably."""
        raise NotImplementedError

    async def deliver(self, batch: Batch) -> Sequence[Outcome]:
        """Tell each in turn."""
        return [await asyncio.to_thread(self._outcome, delivery) for delivery in batch.deliveries]

    def _outcome(self, delivery: Delivery) -> Outcome:
        try:
            self.tell(delivery)
        except HubError as error:
            return Outcome(delivery.key, error)
        return Outcome(delivery.key)

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Answer that it cannot be known."""
        return [None] * len(batch.deliveries)

    async def close(self) -> None:
        """Let go of nothing."""


class Compile(Protocol):
    """Makes an expression into a function of a delivery."""

    def __call__(self, text: str, place: str = "", /) -> Callable[[Delivery, Batch], Any]:
        """Compile; `place` (`file:line:column`) is where the text stands, if that is not among the settings."""
        ...


@dataclass(frozen=True, slots=True)
class Expressions:
    """What app.py lends to sinks whose settings hold expressions: `compile(text)` gives a function of a delivery.

    The function takes a `Delivery` and a `Batch`, sees `event`, `data`, `subject`, `delivery`, `batch`, and returns a
    plain value, or None when something it names is absent; it raises `Malformed` naming the expression when it cannot.
    """

    compile: Compile


class Queue(Protocol):
    """What app.py lends to the `rpa` sink: the receiver's work queue, from which robots fetch over HTTP."""

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """Return when robots can fetch them, also after a crash; what is in the queue already stays there.

        Raises `Transient` when the queue cannot be written now.
        """
        ...


class Topics(Protocol):
    """What app.py lends to the `kafka` source: a look into topics. Called in a worker thread.

    `brokers` are bootstrap servers of a Kafka other than the city's. All raise `BrokerUnavailable`.
    """

    def bounds(self, topic: str, brokers: str | None = None) -> dict[int, tuple[int, int]]:
        """Return each partition's first offset and the one after its last; nothing when there is no such topic."""
        ...

    def identity(self, topic: str, brokers: str | None = None) -> str | None:
        """Return what tells a topic from another of its name, None where the broker does not say."""
        ...

    def read(
        self, topic: str, spans: Mapping[int, tuple[int, int]], brokers: str | None = None
    ) -> Iterator[tuple[list[Any], dict[int, int]]]:
        """Yield records with the offsets after them, between the offsets of each partition."""
        ...


class Publisher(Protocol):
    """What app.py lends to the `kafka` sink: a way into Kafka topics."""

    async def publish(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        """Return when the record is in the topic on all replicas.

        Raises `BrokerUnavailable` when it certainly is not there, `OutcomeUnknown` when that cannot be known.
        """
        ...
