"""What stands between a transport and the hub where a system has characters of its own, or not all of Unicode.

docs/how-to/gaiji.md says what becomes of each character.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import orjson

from hub.adapters.characters import Characters, changed
from hub.adapters.contract import Batch, Delivery, Features, Outcome, Row, Source, SourceBatch
from hub.errors import Malformed, Rejected
from hub.settings.gaiji import glyphs, named
from hub.settings.models import City, Unmappable

NAMED = 8  # characters named in one note
HANDED_ON = ("confirmed", "rewound", "verify", "window")  # what protocols of sources ask for
ROWS = ("again", "rows")  # the same, what gives rows
NOTHING = {"nothing": True}  # the token of a batch of which nothing can be written


class TextSource:
    """A source whose rows come in the city's characters; one with a code nobody knows is an error row, bytes kept."""

    def __init__(self, source: Source, characters: Characters) -> None:
        """Wrap a source."""
        self._source = source
        self._characters = characters
        for name in HANDED_ON:  # attributes of this object: newer Pythons look for no others when they check a protocol
            if hasattr(source, name):
                setattr(self, name, getattr(source, name))
        for name in ROWS:
            if hasattr(source, name):
                setattr(self, name, self._mapping(getattr(source, name)))

    def __getattr__(self, name: str) -> Any:
        """Return what the source says of itself (`settling`, `seen_again`, `keeps_rows`)."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source, name)

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        """Yield what the source yields, its texts mapped."""
        for batch in self._source.read(after):
            batch.rows = [self._row(row) for row in batch.rows]
            yield batch

    def acknowledge(self, batch: SourceBatch) -> None:
        """Hand on."""
        self._source.acknowledge(batch)

    def _mapping(self, give: Callable[..., list[Row]]) -> Callable[..., list[Row]]:
        return lambda *given: [self._row(row) for row in give(*given)]

    def _row(self, row: Row) -> Row:
        if row.error is not None:
            return row
        try:
            values = changed(row.values, self._characters.inward)
        except Malformed as error:
            error.place = row.place
            return Row({}, row.place, row.raw, error)
        return dataclasses.replace(row, values=values, keep=row.keep or values != row.values)


def writing(city: City) -> Callable[[str, Any], Any]:
    """Return what writes data in a system's own characters (system, data) where it takes all of Unicode: its feed."""
    texts = {name: each.text for name, each in city.systems.items() if each.text is not None}
    known = {name: Characters(glyphs(text, city.tables)) for name, text in texts.items()}

    def written(system: str, data: Any) -> Any:
        return changed(data, lambda text: known[system].outward(text)[0]) if system in known else data

    return written


def taking(city: City) -> Callable[[str, Any], Any]:
    """Return what puts data that a system itself sends as events into the city's characters (system, data)."""
    texts = {name: each.text for name, each in city.systems.items() if each.text is not None}
    known = {name: Characters(glyphs(text, city.tables)) for name, text in texts.items()}
    return lambda system, data: changed(data, known[system].inward) if system in known else data


@dataclasses.dataclass(slots=True)
class _Written:
    """A batch in the system's characters: what goes on, what is refused, what lost something (by delivery key)."""

    batch: Batch
    refused: dict[str, str] = dataclasses.field(default_factory=dict)
    lost: dict[str, str] = dataclasses.field(default_factory=dict)


class TextSink:
    """A sink that is told in its system's own characters; what it lacks is shown, named and noted, or refused."""

    def __init__(
        self, sink: Any, characters: Characters, features: Features, unmappable: Literal["reject"] | Unmappable | None
    ) -> None:
        """Wrap a sink; `unmappable` says what becomes of a character that the system lacks (None: the sink says it)."""
        self._sink = sink
        self._characters = characters
        self._unmappable = unmappable
        self.features = getattr(sink, "features", features)
        self._last: tuple[Batch, _Written] | None = None

    async def deliver(self, batch: Batch) -> Sequence[Outcome]:
        """Deliver what can be written."""
        written = self._written(batch)
        going = written.batch.deliveries
        return self._outcomes(batch, written, await self._sink.deliver(written.batch) if going else [])

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Ask of each delivery whether it took effect; what was never sent has none."""
        written = self._written(batch)
        if not written.batch.deliveries:
            return [_refused(one, written) for one in batch.deliveries]
        found = {each.key: each for each in await self._sink.confirm(written.batch) if each is not None}
        return [
            _refused(one, written) or (self._noted(found[one.key], one.key, written) if one.key in found else None)
            for one in batch.deliveries
        ]

    async def prepare(self, batch: Batch) -> dict[str, Any]:
        """Prepare what can be written."""
        written = self._written(batch)
        token: dict[str, Any] = await self._sink.prepare(written.batch) if written.batch.deliveries else NOTHING
        return token

    async def commit(self, batch: Batch, token: dict[str, Any]) -> Sequence[Outcome]:
        """Make it visible."""
        written, self._last = self._written(batch), None
        return self._outcomes(batch, written, await self._sink.commit(written.batch, token) if token != NOTHING else [])

    async def recover(self, batch: Batch, token: dict[str, Any]) -> Sequence[Outcome]:
        """Finish a batch that was prepared before a crash."""
        written = self._written(batch)
        return self._outcomes(
            batch, written, await self._sink.recover(written.batch, token) if token != NOTHING else []
        )

    async def withdraw(self, batch: Batch, token: dict[str, Any]) -> bool:
        """Undo what was prepared."""
        return token == NOTHING or bool(await self._sink.withdraw(self._written(batch).batch, token))

    async def close(self) -> None:
        """Let go."""
        await self._sink.close()

    def _written(self, batch: Batch) -> _Written:
        """Return a batch in the system's characters; the second of two steps has it from the first."""
        if self._last is None or self._last[0] is not batch:
            self._last = (batch, self._write(batch))
        return self._last[1]

    def _write(self, batch: Batch) -> _Written:
        deliveries: list[Delivery] = []
        written = _Written(Batch(batch.receiver, batch.no, batch.date, deliveries))
        for one in batch.deliveries:
            lost: list[str] = []
            stays = b"\\u" not in one.body and self._characters.stays(one.body.decode())
            told = one if stays else self._told(one, lost)
            if lost and self._unmappable == "reject":
                written.refused[one.key] = _names(lost)
                continue
            if lost and self._unmappable is not None:
                written.lost[one.key] = _names(lost)
            deliveries.append(told)
        return written

    def _told(self, one: Delivery, lost: list[str]) -> Delivery:
        def outward(text: str) -> str:
            written, lacking = self._characters.outward(text)
            lost.extend(lacking)
            return written

        event = orjson.loads(one.body)
        event["data"] = changed(event["data"], outward)
        body = orjson.dumps(event)
        return Delivery(one.key, one.no, one.event_id, one.type, one.subject, one.time, body, one.action)

    def _outcomes(self, batch: Batch, written: _Written, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        if not written.refused and not written.lost:
            return outcomes
        found = {outcome.key: outcome for outcome in outcomes}
        return [_refused(one, written) or self._noted(found[one.key], one.key, written) for one in batch.deliveries]

    def _noted(self, outcome: Outcome, key: str, written: _Written) -> Outcome:
        """Name on an outcome what the system does not have; its own note stays before it."""
        lost = written.lost.get(key)
        if lost is None or outcome.error is not None:
            return outcome
        note = f"the system does not have {lost}"
        notifies = isinstance(self._unmappable, Unmappable) and self._unmappable.notify
        code = lost.replace(" ", ",") if notifies else "unmapped"
        return Outcome(key, None, f"{outcome.detail}; {note}" if outcome.detail else note, code)


def _refused(one: Delivery, written: _Written) -> Outcome | None:
    if one.key not in written.refused:
        return None
    return Outcome(one.key, Rejected(f"the system does not have {written.refused[one.key]}", code="unencodable"))


def _names(signs: Sequence[str]) -> str:
    """Return characters by their code points, each once; only these leave the hub, never the text they stand in."""
    names = list(dict.fromkeys(named(sign).replace(" ", ".") for sign in signs))
    return " ".join([*names[:NAMED], *(["…"] if len(names) > NAMED else [])])
