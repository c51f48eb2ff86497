"""Taking events back, or putting them right: the events that say so, with ids that make a second publishing harmless.

They come from the original's source, so that its history knows them, and reach whoever was told of the original.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from hub.errors import Malformed, UsageError
from hub.events.envelope import Event, event_from, identity
from hub.events.wire import type_of
from hub.ledger import commands, jobs
from hub.ledger.engine import Ledger
from hub.ledger.facts import FactBook
from hub.ledger.jobs import PUBLISHER, Order, Task
from hub.ledger.log import EventLog
from hub.ledger.protected import Discretion
from hub.routing.plan import View
from hub.settings.models import City
from hub.stages.entries import ActiveRules
from hub.stages.history import AMENDMENTS, Archive, History, Past, households_of
from hub.stages.jobs import Plan
from hub.stages.ports import Producer
from hub.stages.records import REPLACES, publish_sound, record_of
from hub.stages.retelling import Retelling, weigh
from hub.stages.rulebook import RuleBook
from hub.stages.scene import attributes
from hub.stages.times import moment

Json = dict[str, Any]
Claim = Callable[[], Awaitable[bool]]
HIDDEN = "…"  # a value of a protected resident's event in a preview
AT_ONCE = 500  # events published before the ledger notes it, and whose residents are held in memory at one time


class _Row(NamedTuple):
    pos: int
    subject: str


class Amender:
    """Plans cancellations and corrections of events by their rows."""

    def __init__(
        self, log: EventLog, book: RuleBook, rules: ActiveRules, city: City, discretion: Discretion | None = None
    ) -> None:
        """Plan by the city's rules as they are; `discretion` says whose location a preview does not show."""
        self._discretion = discretion or Discretion(log.ledger)
        self._log = log
        self._book = book
        self._city = city
        self._rules = rules
        self._facts = FactBook(log)
        self._retelling = Retelling(rules, book, self._facts, ZoneInfo(city.timezone))
        self._archive = Archive(log, book)
        self._with_households = any(path[:1] in {(), ("household",)} for path in rules.router.fact_paths)
        self._histories: dict[str, History] = {}
        self._taken: set[int] = set()  # what this plan takes back
        self._righted: dict[int, Json] = {}  # what this plan puts right, by position

    def cancel(self, plan: Plan, rows: Iterable[Any]) -> None:
        """Add a cancellation of each event; corrections and what is cancelled already are left out."""
        for row in self._by_parts(rows):
            self._cancel(plan, row)

    def _by_parts(self, rows: Iterable[Any]) -> Iterator[_Row]:
        """Yield the rows in the order of their events; what is known of their residents is loaded by parts."""
        chosen = sorted((_Row(row.pos, row.subject) for row in rows), key=lambda each: each.pos)
        for part in commands.parts(chosen, AT_ONCE):
            self._histories.clear()
            self._archive.forget()
            self._archive.load(row.subject for row in part)
            if self._with_households:
                histories = [self._history(row.subject) for row in part]
                self._facts.load_households(households_of(past for each in histories for past in each.events))
            yield from part

    def _cancel(self, plan: Plan, row: Any) -> None:
        past = self._standing(plan, row)
        if past is None:
            return
        was = past.occurrence.data
        past.taken_back = True
        self._taken.add(past.pos)
        told = self._told(past, was)
        self._add(plan, "cancel", past, told, {"effective_on": past.said["effective_on"]})

    def correct(self, plan: Plan, row: Any, right: Mapping[str, Any]) -> None:
        """Add a correction of an event that is not right already; raises Malformed when these cannot be its values."""
        past = self._standing(plan, row)
        if past is not None:
            self._correct(plan, past, right)

    def correct_all(self, plan: Plan, rows: Iterable[Any], fields: Mapping[str, Any]) -> None:
        """Add a correction of each event: these fields replace those that stand, None takes one away.

        What is left out of `cancel` is left out here, and what is right already. Raises Malformed, which names the
        event, when these cannot be the values of one of them.
        """
        for row in self._by_parts(rows):
            past = self._standing(plan, row)
            if past is None:
                continue
            right = {name: value for name, value in {**past.said, **fields}.items() if value is not None}
            try:
                self._correct(plan, past, right)
            except Malformed as error:
                error.place = f"{past.name}: {error.place}".rstrip(": ")
                raise

    def _correct(self, plan: Plan, past: Past, right: Mapping[str, Any]) -> None:
        if right == past.said:
            plan.left_out["right already"] += 1
            return
        wire = past.wire
        document = {"specversion": "1.0", "id": wire.id, "source": wire.source, "type": wire.type}
        whole = {**document, "subject": wire.subject, "time": wire.time, "data": dict(right)}
        event_from(whole, city=self._city.city, now=wire.time)
        names = sorted({*past.said, *right})
        changes = {n: [past.said.get(n), right.get(n)] for n in names if past.said.get(n) != right.get(n)}
        was = past.occurrence.data
        self._righted[past.pos] = dict(right)
        self._put_right(past)
        told = self._told(past, was, everyone=past.of is None)
        data = {"effective_on": right["effective_on"], "data": dict(right)}
        if self._discretion({wire.subject}):
            changes = {name: [HIDDEN, HIDDEN] for name in changes}
        self._add(plan, "correct", past, told, data, changes=changes)

    def _put_right(self, past: Past) -> None:
        past.said = self._righted[past.pos]
        if past.of is not None:
            past.how, _ = weigh(past, self._city.authority)

    def move(self, plan: Plan, row: Any, subject: str, right: Mapping[str, Any]) -> None:
        """Add an event's cancellation, and the same report of another resident; raises Malformed, UsageError."""
        if subject == row.subject:
            raise UsageError("that resident it is about already", mend="leave --subject out, or name another")
        past = self._history(row.subject).at(row.pos)
        self.cancel(plan, [row])
        if past is None or not plan.orders:
            return
        shown = {"changes": {"subject": [row.subject, subject]}, "known": bool(self._history(subject).events)}
        self._report(plan, "report", past, subject, right, **shown)

    def again(self, plan: Plan, row: Any, right: Mapping[str, Any]) -> None:
        """Add the report anew of an event that was cancelled by mistake, once; raises Malformed.

        Its id is made of the event's, so that two who do it at once report one event.
        """
        past = self._history(row.subject).at(row.pos)
        if past is None or past.type in AMENDMENTS:
            plan.left_out["a correction itself"] += 1
        elif not past.taken_back:
            plan.left_out["not cancelled"] += 1
        elif self._log.known([(_anew(past.wire.type, past.wire.source, past.wire.id), past.source)]):
            plan.left_out["reported again before"] += 1
        else:
            self._report(plan, "again", past, row.subject, right)

    def _report(self, plan: Plan, what: str, past: Past, subject: str, right: Mapping[str, Any], **shown: Any) -> None:
        """Add a report that says what another did, of this resident and with these values; raises Malformed."""
        wire = past.wire
        document = {"specversion": "1.0", "id": wire.id, "source": wire.source, "type": wire.type}
        whole = {**document, "subject": subject, "time": wire.time, "data": dict(right)}
        event_from(whole, city=self._city.city, now=wire.time)
        told = self._would_tell(past, subject, right)
        self._add(plan, what, past, told, {"subject": subject, "data": dict(right)}, **shown)

    def _would_tell(self, past: Past, subject: str, data: Mapping[str, Any]) -> list[str]:
        """Return which receivers are told of a new event of a resident, by today's rules and what is known."""
        short, version = type_of(past.wire.type)
        self._facts.load({subject})
        facts = self._facts.at(subject, str(data["effective_on"]))
        facts, after = self._facts.around(short, subject, data, facts)
        view = View(short, version, subject, attributes(past.wire), data)
        planned = self._rules.router.plan(view, facts, after)
        receivers = self._rules.ruleset.receivers
        return sorted({receivers[one.receiver] for one in planned if one.suppressed is None})

    def values(self, row: Any) -> Json:
        """Return an event's values as they stand."""
        past = self._history(row.subject).at(row.pos)
        return dict(past.said) if past is not None else {}

    def _standing(self, plan: Plan, row: Any) -> Past | None:
        past = self._history(row.subject).at(row.pos)
        if past is None or past.type in AMENDMENTS:
            plan.left_out["a correction itself"] += 1
        elif past.taken_back:
            plan.left_out["cancelled before"] += 1
        else:
            return past
        return None

    def _history(self, subject: str) -> History:
        found = self._histories.get(subject)
        if found is None:
            found = self._histories[subject] = History(*self._archive.of(subject))
            for past in found.events:
                past.taken_back = past.taken_back or past.pos in self._taken
                if past.pos in self._righted:
                    self._put_right(past)
        return found

    def _told(self, past: Past, was: Mapping[str, Any], *, everyone: bool = False) -> list[str]:
        """Return which receivers will hear of a change to an event, or to a report of it."""
        history = self._history(past.wire.subject)
        items, rules = self._retelling.items(was, past.occurrence, history, everyone=everyone)
        return sorted({rules.ruleset.receivers[item.receiver] for item in items if item.suppressed is None})

    def _add(self, plan: Plan, what: str, past: Past, told: list[str], data: Json, **shown: Any) -> None:
        short = type_of(past.wire.type)[0]
        order = Order(PUBLISHER, "publish", past.pos, 0, _packed(what, past, data))
        plan.add(what, order, {"event": past.name, "type": short, "told": told, **shown})
        for key in told:
            plan.receivers[key] += 1


def _packed(what: str, past: Past, data: Json) -> bytes:
    wire = past.wire
    document = {"what": what, "source": wire.source, "id": wire.id, "type": wire.type, "subject": wire.subject}
    return orjson.dumps({**document, "data": data})


async def publish_open(ledger: Ledger, producer: Producer, topic: str, city: str, mine: Claim) -> int:
    """Publish what running jobs have left to publish and return how many events that were.

    Goes on while `mine` says that no other process does. A crash between Kafka and the ledger publishes some again,
    under the same ids: they count once. Raises `Unavailable`.
    """
    count = 0
    while await mine() and (tasks := await asyncio.to_thread(jobs.to_publish, ledger, "publish", AT_ONCE)):
        records = [record_of(_event(task, city), city) for task in tasks]
        refused = await publish_sound(producer, topic, records)
        results = [(task.no, "refused" if at in refused else "published") for at, task in enumerate(tasks)]
        await asyncio.to_thread(jobs.published, ledger, results)
        count += len(tasks) - len(refused)
    return count


def _event(task: Task, city: str) -> Event:
    """Return the event; its id is of the job and the target, or of the target alone where that is reported again."""
    draft = task.payload
    own = _reported(draft) if draft["what"] in {"report", "again"} else _amending(draft, task.reason)
    new = identity("hub", [own["type"], task.job, draft["source"], draft["id"]])
    document = {
        "specversion": "1.0",
        "id": _anew(own["type"], draft["source"], draft["id"]) if draft["what"] == "again" else new,
        "source": draft["source"],
        "subject": draft["subject"],
        "time": moment(task.at),
        "batchid": f"job-{task.job}",
        **own,
    }
    return event_from(document, city=city, now=moment(task.at))


def _anew(type_: str, source: str, event_id: str) -> str:
    """Return the id of an event that is reported again after it was cancelled."""
    return identity("hub", [type_, "again", source, event_id])


def _amending(draft: Json, reason: str) -> Json:
    said = {"event_id": draft["id"], **draft["data"]}
    type_ = "event.cancelled" if draft["what"] == "cancel" else "event.corrected"
    return {"type": type_, "data": {**said, "reason": reason} if reason else said}


def _reported(draft: Json) -> Json:
    """Return what is reported anew; of the right resident it is linked with the report of the wrong one."""
    right = draft["data"]
    linked = {REPLACES: draft["id"]} if draft["what"] == "report" else {}
    return {"type": draft["type"], "subject": right["subject"], "data": right["data"], **linked}
