"""What one new event comes to: its plan, what is learned from it, and what it does to earlier ones.

The `Planner` fills the `DispatchBatch` of the running poll. It remembers residents between polls; `forget` drops all of
it when a poll failed or partitions have moved.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
import orjson

from hub.errors import Malformed
from hub.events.envelope import event_from
from hub.events.facts import delta as facts_delta
from hub.events.facts import merge
from hub.events.wire import Lazy, Wire, kept, source_of, system_of, type_of
from hub.ledger.facts import FactBook, Kept, homes, kept_paths
from hub.ledger.log import DispatchBatch, EventLog, Homes
from hub.ledger.names import Names
from hub.ledger.status import event_code
from hub.routing.identity import is_provisional
from hub.routing.plan import View
from hub.stages import amend, retelling
from hub.stages.entries import ActiveRules, Item
from hub.stages.history import AMENDMENTS, Archive, History, Link, Past, effective
from hub.stages.judgement import NEW, Judgement, family_of, judge, kind_of, newer
from hub.stages.once import covered, told_before
from hub.stages.retelling import Retelling, contest, weigh
from hub.stages.rulebook import RuleBook
from hub.stages.scene import attributes, due_on

ACCEPTED = event_code("accepted")
UNMATCHED = event_code("unmatched")
DUPLICATE = event_code("duplicate")
ECHO = event_code("echo")
CONFLICT = event_code("conflict")
REVIEW = event_code("awaiting-review")
IDENTITY = event_code("awaiting-identity")
_NOTHING: Mapping[str, Any] = {}
_NEVER = "9999-12-31"  # as facts stand at the end of all that is known
_HOUSEMATES = 100  # histories looked at when a household is put right
_KEEP = 20_000  # residents whose newest events are remembered
_KINDS = 1_000  # kinds of these whose text is kept once


class New(msgspec.Struct, frozen=True):
    """A new event on its way into the ledger; under its `kind` the resident's current event of that kind is kept."""

    pos: int
    wire: Wire
    source: int
    body: bytes
    type: str
    version: int
    data: Lazy
    kind: str

    @classmethod
    def of(cls, pos: int, wire: Wire, source: int, body: bytes) -> New:
        """Return a decoded event at its place; `source` is its source's number."""
        (kind, version), data = type_of(wire.type), Lazy(wire.data)
        return cls(pos, wire, source, body, kind, version, data, kind_of(kind, data))


class Planned(msgspec.Struct):
    """What became of it."""

    status: int
    items: Sequence[Item] = ()
    rules: ActiveRules | None = None  # that count its receivers and rules, where they are more than today's


@dataclass(frozen=True, slots=True)
class Policy:
    """What of the city's settings planning needs."""

    city: str = "city"
    timezone: dt.tzinfo = dt.UTC
    authority: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kept: frozenset[tuple[str, ...]] = frozenset()  # facts that are kept though no rule uses them


class Planner:
    """Plans the events of one dispatcher, in order."""

    def __init__(self, log: EventLog, rules: ActiveRules, book: RuleBook, policy: Policy) -> None:
        self._log = log
        self._rules = rules
        self._book = book
        self._policy = policy
        self._sources = Names(log.ledger, "source")
        self._facts = FactBook(log)
        self._archive = Archive(log, book)  # of the running poll
        self._paths = kept_paths(rules.router.fact_paths | policy.kept)
        self._kept = Kept(self._paths)
        self._households = any(path[0] == "household" for path in self._paths)
        self._uses: dict[str, tuple[bool, bool, bool]] = {}  # whether a type's rules read facts, households, `after`
        self._retelling = Retelling(rules, book, self._facts, policy.timezone)
        self._standing: OrderedDict[str, dict[str, tuple[int, str | None]]] = OrderedDict()
        self._kinds: dict[str, str] = {}
        self._source_of: dict[int, int] = {}  # of the running poll: pos → source of a current event
        self._mine: list[tuple[New, Planned]] = []  # of the running poll: its new events
        self._by_subject: dict[str, list[tuple[New, Planned]]] = {}  # as far as somebody asked
        self._sorted = 0  # of the new events: how many stand there
        self._tombstones: dict[tuple[str, str], int] | None = None
        self._links: list[Link] = []  # of the running poll
        self._day = self._today  # of the running poll
        # The day, and the partitions, whose dated moves are taken in, or will be with this poll.
        self._dawned = self._dawning = ("", frozenset[int]())

    def forget(self) -> None:
        """Forget everything: the poll failed, or partitions have moved."""
        self._facts.forget()
        self._standing.clear()
        self._tombstones = None
        self._end()

    def settle(self) -> None:
        """End a poll that is written."""
        self._dawned = self._dawning
        self._facts.trim()
        while len(self._standing) > _KEEP:
            self._standing.popitem(last=False)
        self._end()

    def _end(self) -> None:
        self._mine.clear()
        self._by_subject.clear()
        self._sorted = 0
        self._archive.forget()
        self._source_of.clear()
        self._links.clear()

    def load(self, news: Sequence[New]) -> None:
        """Bring in what is known of the residents of a poll."""
        self._day = self._today
        subjects = {new.wire.subject for new in news}
        if self._paths:
            self._facts.load(
                subjects if self._households else {n.wire.subject for n in news if not n.wire.hubfactsonly}
            )
        standing = self._standing
        missing = [subject for subject in subjects if subject not in standing]
        for subject in subjects.difference(missing):
            standing.move_to_end(subject)
        for subject in missing:
            standing[subject] = {}
        for subject, kind, pos, sequence in self._log.standing(missing):
            standing[subject][self._kind(kind)] = (pos, sequence)
        wanted = [current[0] for new in news if (current := standing[new.wire.subject].get(new.kind)) is not None]
        self._source_of.update(self._log.sources(wanted))
        if self._tombstones is None:
            self._tombstones = self._log.tombstones()
        self._archive.load(new.wire.subject for new in news if new.type in AMENDMENTS or new.type in PROTECTING)
        if self._households:
            self._load_households(news)

    def _load_households(self, news: Sequence[New]) -> None:
        """Bring in the households that rules may ask for, where the residents of a poll live and where they go."""
        numbers = {new.data.get(field) for new in news for field in ("household_no", "to_household")}
        for subject in {new.wire.subject for new in news}:
            numbers.add(self._facts.at(subject, _NEVER)["resident"].get("household_no"))
        self._facts.load_households([str(number) for number in numbers if number])

    # --- one event ---------------------------------------------------------------------------------------------

    def plan(self, new: New, batch: DispatchBatch) -> Planned:
        """Plan one event; raises Malformed for a correction that cannot be one."""
        if new.type in AMENDMENTS:
            planned = self._amend(new, batch)
        elif self._buried(new, batch):
            planned = Planned(ACCEPTED)
        else:
            planned = self._report(new, batch)
        self._mine.append((new, planned))
        self._source_of[new.pos] = new.source
        if new.wire.hubreplaces is not None:
            self._replace(new, new.wire.hubreplaces, batch)
        if new.type in PROTECTING or new.type in AMENDMENTS:
            self._protect(new.wire.subject, batch)
        if new.wire.hubidentifies is not None:
            self._identify(new, new.wire.hubidentifies, planned, batch)
        if new.wire.hubfactsonly:
            planned.items = ()
        if is_provisional(new.wire.subject) and planned.status in {ACCEPTED, UNMATCHED}:
            planned.status = IDENTITY
        return planned

    def _identify(self, new: New, event_id: str, planned: Planned, batch: DispatchBatch) -> None:
        """Leave out who was told of the same report when nobody knew whom it was about: they are told once."""
        found = self._log.known([(event_id, new.source)]).get((event_id, new.source))
        if found is None:
            return
        batch.relations.append((new.pos, found[0], "identifies"))
        rules = planned.rules or self._rules
        told = told_before(self._log, self._book, found[0])
        planned.items = [
            covered(item, event_id) if rules.ruleset.receivers[item.receiver] in told else item
            for item in planned.items
        ]

    def _replace(self, new: New, event_id: str, batch: DispatchBatch) -> None:
        """Link an event with the one that said the same of the wrong person; for people alone, it changes neither."""
        found = self._log.known([(event_id, new.source)]).get((event_id, new.source))
        if found is not None:
            batch.relations.append((new.pos, found[0], "replaces"))

    def _protect(self, subject: str, batch: DispatchBatch) -> None:
        """Say anew who is protected by what a resident's standing events say, in their order; by kind.

        A start protects at once; an end takes effect on its date at the earliest, and until another event then says so
        again the protection goes on. It ends for all who were protected together.
        """
        history = self._history(subject)
        reports = [e for e in history.events if e.type in PROTECTING]
        today = self._day
        found: dict[tuple[str, str], int] = {}
        for event in sorted(reports, key=lambda each: history.place(each.occurrence)):
            kind = str(event.data.get("kind", ""))
            if event.type == STARTED:
                found.update(((each, kind), 1) for said in _says(event) for each in protected_by(subject, said))
            elif event.of is None and not event.cancelled and str(event.data.get("effective_on", "")) <= today:
                found.setdefault((subject, kind), 0)
                found.update((key, 0) for key in found if key[1] == kind)
        if reports:
            batch.protection[subject] = [(each, subject, kind, active) for (each, kind), active in found.items()]

    def _report(self, new: New, batch: DispatchBatch) -> Planned:
        kind, wire = new.kind, new.wire
        standing = self._standing[wire.subject]
        judgement, current = self._judge(new, standing.get(kind))
        if current is not None and judgement.kind != "new":
            return self._report_other(new, judgement, current, batch)
        if wire.sequence is not None and self._late(new, standing, batch):
            return self._report_late(new, kind, batch)
        self._stand(wire.subject, kind, (new.pos, None), batch)
        items = () if wire.hubfactsonly else self._told(new)
        self._learn(new, new.data, new.pos, batch)
        return Planned(ACCEPTED if items or wire.hubfactsonly else UNMATCHED, items)

    def _report_other(self, new: New, judgement: Judgement, current: Past, batch: DispatchBatch) -> Planned:
        """Take in another system's report of what is known: it repeats, echoes, enriches or contradicts."""
        if judgement.kind == "enriches":
            return self._report_again(new, current, "enriches", ACCEPTED, batch)
        if judgement.kind == "contradicts":
            return self._conflict(new, current, batch)
        self._link(new, current, judgement.kind, batch)
        return Planned(ECHO if judgement.kind == "echoes" else DUPLICATE)

    def _report_late(self, new: New, kind: str, batch: DispatchBatch) -> Planned:
        """Learn a late event in its place; receivers hear what holds."""
        history = self._history(new.wire.subject, extra=new)
        past = history.events[-1]
        self._learn(new, new.data, history.place(past), batch)
        self._restand(past, {kind}, history, batch)
        items = self._retelling.late(past, history)
        return Planned(ACCEPTED if items or new.wire.hubfactsonly else UNMATCHED, items)

    def _told(self, new: New) -> Sequence[Item]:
        """Return who is told, by today's rules and the facts just before the event at its date.

        Items that events have in common are not to be changed.
        """
        wire, data, rules = new.wire, new.data, self._rules
        effective = data.get("effective_on") or wire.time[:10]
        facts, after = self._facts_for(new.type, wire.subject, effective, data)
        asked = attributes(wire) if rules.router.uses_attributes(new.type) else _NOTHING
        view = View(new.type, new.version, wire.subject, asked, data)
        planned = rules.router.plan(view, facts, after)
        common = rules.common(planned)
        return [rules.alike(one) or self._item(one, effective) for one in planned] if common is None else common

    def _item(self, one: Any, effective: str) -> Item:
        return Item.of(one, due_on(self._rules.ruleset, one, effective, self._policy.timezone))

    def _facts_for(
        self, type_: str, subject: str, effective: str, data: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        uses = self._uses.get(type_)
        if uses is None:
            router = self._rules.router
            asked = bool(router.fact_paths_of(type_)), router.uses_household(type_), router.uses_after(type_)
            uses = self._uses[type_] = asked
        some, household, after = uses
        if not some:
            return {}, None
        facts = self._facts.at(subject, effective)
        if household:
            return self._facts.around(type_, subject, data, facts)
        return facts, merge(facts, facts_delta(type_, data)) if after else None

    # --- learning ----------------------------------------------------------------------------------------------

    def _learn(self, new: New, data: Mapping[str, Any], place: int, batch: DispatchBatch) -> None:
        """Note what an event says of the resident, from its effective date on, and where it says they live now."""
        name, subject = new.type, new.wire.subject
        if not self._paths:
            return
        effective = data.get("effective_on") or new.wire.time[:10]
        self._note(new, name, data, place, batch)
        day = self._day
        if self._households and effective <= day and not self._facts.moved_since(subject, effective, place, day):
            self._house(homes(name, subject, data), batch)

    def _note(self, new: New, name: str, data: Mapping[str, Any], place: int, batch: DispatchBatch) -> None:
        learnt = self._kept.of(name, data)
        if learnt:
            subject, effective = new.wire.subject, data.get("effective_on") or new.wire.time[:10]
            said = kept(learnt)
            self._facts.learn(subject, new.pos, effective, said, place)
            batch.facts.append((subject, new.pos, effective, place, said))

    def _house(self, moved: list[tuple[str, str, int]], batch: DispatchBatch) -> None:
        self._facts.settle(moved)
        batch.households += moved

    def _relearn(self, new: New, target: Past, was: Mapping[str, Any], history: History, batch: DispatchBatch) -> None:
        """Replace what an event said by what stands of it, in its place; nothing, once it is cancelled."""
        if not self._paths:
            return
        subject = target.wire.subject
        positions = {target.pos, *(each.pos for each in target.amended_by)} - {new.pos}
        self._facts.void(subject, positions)
        batch.voids += [(new.pos, subject, pos) for pos in positions]
        if not target.cancelled:
            self._note(new, target.type, target.data, history.place(target), batch)
        if self._households:
            self._rehouse(target, was, history, batch)

    def _rehouse(self, target: Past, was: Mapping[str, Any], history: History, batch: DispatchBatch) -> None:
        """Say anew who lives where and who is head, of all whom an event named that says something else now.

        By what stands of them and of those they live with; these may be heads again, and stay where they are.
        """
        subject = target.wire.subject
        moved = [move for data in (was, target.data) for move in homes(target.type, subject, data)]
        named = {subject, *(who for who, _, _ in moved)}
        numbers = {number for _, number, _ in moved if number}
        here = {who: no for no in numbers for who in self._facts.household(no).get("members", ())}
        others = [self._history(who) for who in sorted({*named, *here} - {subject})[:_HOUSEMATES]]
        home = self._homes((history, *others))
        found = {who: home.get(who, ("", 0)) for who in {*named, *here}}
        again = [(who, *at) for who, at in sorted(found.items()) if who in named or at[0] == here[who]]
        self._house(sorted(again, key=lambda each: each[2]), batch)

    def _homes(self, histories: Sequence[History]) -> Homes:
        """Return who lives where today by what stands of these residents."""
        standing = [(effective(e), h.place(e), e.pos, e) for h in histories for e in h.standing]
        return Homes().move(
            move
            for date, *_, event in sorted(standing, key=lambda each: each[:3])
            if date <= self._day
            for move in homes(event.type, event.wire.subject, event.data)
        )

    def dawn(self, batch: DispatchBatch, partitions: Collection[int]) -> None:
        """Once a day: let those of these partitions move whose day has come since, though it was reported before.

        Each partition keeps its own day: a resident is moved only by the dispatcher that has their events.
        """
        today = self._day
        if not self._households or (self._dawned[0] == today and self._dawned[1].issuperset(partitions)):
            return
        days = self._log.households_days(partitions)
        late = {partition for partition, since in days.items() if since < today}
        known = {partition: days[partition] for partition in late if days[partition]}
        found = self._log.dated(min(known.values()), today) if known else []
        subjects = [subject for subject, partition in found if partition in known]
        self._archive.load(subjects)
        for subject in subjects:
            home = self._homes([self._history(subject)])
            self._house([(who, *at) for who, at in home.items() if who == subject], batch)
        batch.days = dict.fromkeys(late, today)
        self._dawning = today, frozenset(partitions)

    @property
    def _today(self) -> str:
        return dt.datetime.now(self._policy.timezone).date().isoformat()

    def _kind(self, kind: str) -> str:
        """Return the text that all residents share for a kind; those of an application or a contract are many."""
        kinds = self._kinds
        return kinds.get(kind) or (kinds.setdefault(kind, kind) if len(kinds) < _KINDS else kind)

    def _stand(self, subject: str, kind: str, value: tuple[int, str | None], batch: DispatchBatch) -> None:
        known = self._standing[subject]
        if kind not in known:
            batch.begun.add((subject, kind))
        known[self._kind(kind)] = value
        batch.standing[subject, kind] = value

    # --- late events -------------------------------------------------------------------------------------------

    def _late(self, new: New, standing: dict[str, tuple[int, str | None]], batch: DispatchBatch) -> bool:
        """Say whether a newer history number of this resident, source and family was accepted before."""
        if new.wire.sequence is None:
            return False
        kind = f"family:{new.source}:{family_of(new.type)}"
        known = standing.get(kind)
        if known is not None and known[1] is not None and newer(orjson.loads(known[1]), new.wire.sequence):
            return True
        self._stand(new.wire.subject, kind, (new.pos, orjson.dumps(new.wire.sequence).decode()), batch)
        return False

    def _restand(self, past: Past, kinds: Collection[str], history: History, batch: DispatchBatch) -> None:
        """Let the newest events that stand be the current ones of these kinds again, and of the source's numbers."""
        subject = past.wire.subject
        for kind in kinds:
            current = history.current(kind)
            if current is not None:
                self._source_of[current.pos] = current.source
                self._stand(subject, kind, (current.pos, None), batch)
        if past.taken_back and past.wire.sequence is not None:
            family = family_of(past.type)
            newest = history.newest(past.source, family)
            number = None if newest is None else orjson.dumps(newest.wire.sequence).decode()
            self._stand(subject, f"family:{past.source}:{family}", ((newest or past).pos, number), batch)

    # --- other systems' reports --------------------------------------------------------------------------------

    def _judge(self, new: New, current: tuple[int, str | None] | None) -> tuple[Judgement, Past | None]:
        if current is None or self._source_of.get(current[0], new.source) == new.source:
            return NEW, None
        target = self._history(new.wire.subject).at(current[0])
        if target is None or target.cancelled or all(each.source == new.source for each in target.heard()):
            return NEW, None
        system = system_of(new.wire.source)
        told = any(key.partition(".")[0] == system for key in retelling.told(target))
        return judge(new.type, new.data, target.data, told=told), target

    def _conflict(self, new: New, current: Past, batch: DispatchBatch) -> Planned:
        """Two systems contradict one another: the higher authority wins, equal ranks wait for a person."""
        how, undecided = contest(self._policy.authority, new.type, new.wire, current.heard())
        if how == "loses":
            self._link(new, current, how, batch)
            return Planned(REVIEW if undecided else CONFLICT)
        return self._report_again(new, current, how, CONFLICT, batch)

    def _report_again(self, new: New, current: Past, how: str, status: int, batch: DispatchBatch) -> Planned:
        was = current.data
        self._link(new, current, how, batch)
        return self._settle(new, current, was, batch, status=status)

    def _link(self, new: New, target: Past, kind: str, batch: DispatchBatch) -> None:
        self._links.append(Link(new.pos, target.pos, kind))
        batch.relations.append((new.pos, target.pos, kind))

    # --- corrections -------------------------------------------------------------------------------------------

    def _amend(self, new: New, batch: DispatchBatch) -> Planned:
        target = self._target(new, batch)
        if target is None:
            return Planned(ACCEPTED)
        if target.type in AMENDMENTS:
            raise Malformed(
                f"{target.name} is itself a correction",
                code="target",
                mend="cancel the event that it corrects, or publish another correction with the right values",
            )
        if target.taken_back:
            return Planned(ACCEPTED)
        was = target.occurrence.data
        if new.type == "event.cancelled":
            self._link(new, target, "cancels", batch)
            return self._settle(new, target, was, batch)
        return self._correct(new, target, was, batch)

    def _correct(self, new: New, target: Past, was: Mapping[str, Any], batch: DispatchBatch) -> Planned:
        _check(new.data["data"], target, self._policy.city)
        self._link(new, target, "corrects", batch)
        status = ACCEPTED
        if target.of is not None:
            report = self._history(new.wire.subject, extra=new)[target.pos]
            how, undecided = weigh(report, self._policy.authority)
            status = (REVIEW if undecided else CONFLICT) if how in {"contradicts", "loses"} else ACCEPTED
            self._link(new, target.of, how, batch)
        return self._settle(new, target, was, batch, status=status, everyone=target.of is None)

    def _settle(
        self,
        new: New,
        target: Past,
        was: Mapping[str, Any],
        batch: DispatchBatch,
        *,
        status: int = ACCEPTED,
        everyone: bool = False,
    ) -> Planned:
        """Draw the consequences of a change to an event, or to a report of it: facts, what is current, who hears."""
        history = self._history(new.wire.subject, extra=new)
        past = history[target.pos]
        now = past.occurrence
        if now.cancelled or now.data != was:
            self._relearn(new, now, was, history, batch)
        self._restand(past, {kind_of(now.type, was), kind_of(now.type, now.data)}, history, batch)
        items, rules = self._retelling.items(was, now, history, everyone=everyone)
        return Planned(status, items, rules)

    def _target(self, new: New, batch: DispatchBatch) -> Past | None:
        """Return what a correction is about; an unknown target of a cancellation leaves a tombstone."""
        wanted = amend.targets_of(new.wire, new.data)
        subject = new.data.get("subject") or new.wire.subject
        if subject != new.wire.subject:
            raise Malformed(
                "this correction is about another resident than the one it names",
                code="subject-other",
                mend="`subject` of the event and of its target must be the same",
            )
        found = self._find(new, wanted)
        if found is not None:
            return found
        if new.type != "event.cancelled":
            raise Malformed(
                "the event that this corrects is not known",
                code="target-unknown",
                mend="resubmit this when the event has arrived",
            )
        for form, source, value in wanted:
            if self._tombstones is not None:
                self._tombstones[new.wire.subject, f"{form}:{source}/{value}"] = new.pos
            batch.tombstones.append((new.wire.subject, f"{form}:{source}/{value}", new.pos))
        return None

    def _find(self, new: New, wanted: Sequence[tuple[str, str, str]]) -> Past | None:
        history = self._history(new.wire.subject)
        ids = {(past.wire.id, past.source): past for past in history.events}
        elsewhere: list[tuple[str, int]] = []
        for form, source, value in wanted:
            number = self._sources.find(source)
            if number is None:
                continue
            found = history.numbered(number, value) if form == "sequence" else ids.get((value, number))
            if found is not None:
                return found
            elsewhere += [(value, number)] if form == "id" else []
        if elsewhere and not self._log.known(elsewhere).keys().isdisjoint(elsewhere):
            raise Malformed(
                "this correction is about another resident than its target",
                code="subject-other",
                mend="cancel the event under its own subject and publish a new one under the right one",
            )
        return None

    def _buried(self, new: New, batch: DispatchBatch) -> bool:
        """Say whether a cancellation came before this event; then it is cancelled as it arrives."""
        if not self._tombstones:
            return False
        source = source_of(new.wire.source)
        names = [f"id:{source}/{new.wire.id}"]
        if new.wire.sequence is not None:
            names.append(f"sequence:{source}/{new.wire.sequence}")
        met = [(new.wire.subject, name) for name in names if (new.wire.subject, name) in self._tombstones]
        cancellations = {self._tombstones[key] for key in met}
        for pos in cancellations:
            batch.relations.append((pos, new.pos, "cancels"))
            self._links.append(Link(pos, new.pos, "cancels"))
        done = [key for key, pos in self._tombstones.items() if pos in cancellations] if met else []
        for key in done:  # one cancellation may have left several: it had several ways to name its target
            del self._tombstones[key]
        batch.buried += done
        return bool(met)

    def _history(self, subject: str, *, extra: New | None = None) -> History:
        """Return a resident's events, those of the running poll included."""
        events, links = self._archive.of(subject)
        for each in islice(self._mine, self._sorted, None):
            self._by_subject.setdefault(each[0].wire.subject, []).append(each)
        self._sorted = len(self._mine)
        mine = [
            Past(new.pos, new.wire, new.source, planned.rules or self._rules, list(planned.items))
            for new, planned in self._by_subject.get(subject, ())
        ]
        if extra is not None:
            mine.append(Past(extra.pos, extra.wire, extra.source, self._rules, []))
        return History([*events, *mine], [*links, *self._links])


STARTED = "resident.protection-started"
PROTECTING = frozenset({STARTED, "resident.protection-ended"})


def report_of(wire: Wire) -> str:
    """Return the name by which intake marks a protection until dispatch has its report."""
    return f"{wire.source}/{wire.id}"


def protected_by(subject: str, data: Mapping[str, Any]) -> list[str]:
    """Return the residents a protection is about: the subject and those protected together."""
    return [subject, *(str(each) for each in data.get("together_with") or ())]


def _says(event: Past) -> list[Mapping[str, Any]]:
    """Return what a report of a protection says that stands: the occurrence's values, and its own.

    Also one that another system's report outweighs protects whom it names: too many rather than too few.
    """
    own: list[Mapping[str, Any]] = [] if event.taken_back or event.how == "echoes" else [event.said]
    return own if event.of is not None or event.cancelled else [event.data, *own]


def _check(right: Mapping[str, Any], target: Past, city: str) -> None:
    """Hold the right payload to the target's type; raises Malformed."""
    document = {
        "specversion": "1.0",
        "id": target.wire.id,
        "source": target.wire.source,
        "type": target.wire.type,
        "subject": target.wire.subject,
        "time": target.wire.time,
        "data": dict(right),
    }
    event_from(document, city=city, now=target.wire.time)
