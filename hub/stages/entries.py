"""Events as delivery holds them, and what each receiver is to be sent of one."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from hub.adapters.contract import Delivery
from hub.events.wire import Wire, decode, kept, opening, source_of, system_of, type_of
from hub.routing.expressions import Environment
from hub.routing.plan import Planned, Router
from hub.routing.projection import Projection
from hub.routing.protection import SHOWN, Cut, Permission, cut_of
from hub.routing.rules import RuleSet

KEY_LIMIT = 200
DIGEST = 32  # characters of an event in the key of one whose id is too long
VITAL = frozenset({"resident.died", "event.cancelled"})
_NEW = b'","action":"new","data":'
PLANS = 10_000  # plans remembered that events have in common
PIECES = 3  # of a delivery: before its key's end, that, and what follows
FIELDS = 8  # of a packed item; a newer hub may append more, which an older one passes over


def is_dated(rules: RuleSet, one: Planned) -> bool:
    """Say whether a planned delivery waits for its effective date."""
    return (rules.rules[one.rule].deliver or rules.receiver_entries[one.receiver].deliver) == "on-effective-date"


class ActiveRules:
    """A rule set as it runs: its number in the ledger, its router and projections, its receivers' numbers."""

    def __init__(
        self,
        no: int,
        ruleset: RuleSet,
        numbers: Mapping[str, int],
        today: Mapping[str, Permission] | None = None,
        env: Environment | None = None,
    ) -> None:
        """Compile a rule set; `today` is what the city's rules permit now about protected residents, by name.

        `env` lends who is who in which system.
        """
        self.no = no
        self._today = today or {}
        self.ruleset = ruleset
        self.router = Router(ruleset, env)
        self.projections = tuple(Projection(rule) for rule in ruleset.rules)
        self.numbers = tuple(numbers[key] for key in ruleset.receivers)
        self.keys = {numbers[key]: key for key in ruleset.receivers}
        self.ends = tuple((f"{key}:0", f"{key}:0".encode()) for key in ruleset.receivers)  # of delivery keys
        self.longest = max((len(end) for end, _ in self.ends), default=0)
        self._cuts: dict[tuple[int, Permission | None], Cut] = {}
        self._alike = {id(one): Item.of(one) for one in self.router.ready if not is_dated(ruleset, one)}
        self.shapes = tuple(projection.key for projection in self.projections)
        self._common: dict[int, tuple[object, Sequence[Item] | None]] = {}  # by the router's own tuples
        self._plans: dict[int, Plan] = {}  # by their items
        self._stored: dict[bytes, Plan] = {}

    def alike(self, one: Planned) -> Item | None:
        """Return the item that all events share for a planned delivery, if nothing of the event is in it."""
        return self._alike.get(id(one))  # of the router's own objects, which live as long as this

    def common(self, planned: Sequence[Planned]) -> Sequence[Item] | None:
        """Return the items of what the router plans alike for many events (a tuple, always the same), if of no event.

        They are not to be changed.
        """
        if type(planned) is not tuple:
            return None
        found = self._common.get(id(planned))
        if found is None:
            alike = [self.alike(one) for one in planned]
            items = tuple([item for item in alike if item is not None])
            found = self._common[id(planned)] = planned, items if len(items) == len(planned) else None
            self._plans[id(items)] = Plan.of(items, self)
        return found[1]

    def plan(self, items: Sequence[Item]) -> Plan:
        """Return items as a plan; those of `common` are one."""
        found = self._plans.get(id(items))
        return found if found is not None and found.items is items else Plan.of(items, self)

    def stored(self, packed: bytes) -> Plan:
        """Return a stored plan; those without anything of their events are read once."""
        found = self._stored.get(packed)
        if found is None:
            found = Plan(unpack_plan(packed), packed, self.numbers)
            if found.is_plain and len(self._stored) < PLANS:
                self._stored[packed] = found
        return found

    def cut(self, rule: int, *, then: bool = False, shown: bool = False) -> Cut:
        """Return what the rule leaves out about a protected resident; `then`: by what was permitted then alone.

        `shown`: what is left out where people see it, who are never shown where the resident is.
        """
        today = None if then else self._today.get(self.ruleset.rules[rule].name)
        if shown:
            today = SHOWN if today is None else today & SHOWN
        found = self._cuts.get((rule, today))
        if found is None:
            found = self._cuts[rule, today] = cut_of(self.ruleset, rule, today)
        return found


class Item:
    """One planned delivery as it stands in an event's plan."""

    __slots__ = ("detail", "due", "hold", "made", "receiver", "rule", "suppressed", "values")

    def __init__(
        self,
        receiver: int,
        rule: int,
        values: dict[str, Any] | None = None,
        hold: str | None = None,
        detail: str = "",
        suppressed: str | None = None,
        made: dict[str, Any] | None = None,
        due: int | None = None,
    ) -> None:
        self.receiver = receiver
        self.rule = rule
        self.values = values
        self.hold = hold
        self.detail = detail
        self.suppressed = suppressed
        self.made = made  # of a correction, cancellation or restatement: {action, data, corrects}
        self.due = due  # milliseconds: not before its effective date

    @classmethod
    def of(cls, one: Planned, due: int | None = None) -> Item:
        """Return the item of a planned delivery; `due` in milliseconds."""
        return cls(one.receiver, one.rule, one.values, one.hold, one.detail, one.suppressed, None, due)


def is_plain(item: Item) -> bool:
    """Say whether there is nothing to a planned delivery but to send it."""
    return (item.hold or item.suppressed or item.made or item.due) is None


class Plan:
    """The planned deliveries of an event: `packed` as stored, `told` with the numbers of their receivers."""

    __slots__ = ("is_plain", "items", "packed", "told")

    def __init__(self, items: Sequence[Item], packed: bytes, numbers: Sequence[int]) -> None:
        self.items = items
        self.packed = packed
        self.told = tuple([(numbers[item.receiver], item) for item in items])
        self.is_plain = all(item.values is None and is_plain(item) for item in items)

    @classmethod
    def of(cls, items: Sequence[Item], rules: ActiveRules) -> Plan:
        """Return the plan of items that a rule set counts."""
        return cls(items, pack_plan(items), rules.numbers)


class Entry:
    """One event in the log with the rules it was planned by."""

    __slots__ = ("_prefix", "_tails", "pos", "rules", "size", "start", "subject", "type", "wire")

    def __init__(self, pos: int, wire: Wire, rules: ActiveRules, size: int = 0) -> None:
        self.pos = pos
        self.wire = wire
        self.subject = wire.subject
        self.rules = rules
        self.type = type_of(wire.type)[0]
        self.size = size  # bytes of the event
        self.start = b""  # of what every receiver is sent, as far as the key's part that names the receiver
        self._prefix = ""  # of the keys
        self._tails: dict[str, bytes] | None = None

    @classmethod
    def of(cls, pos: int, body: bytes, rules: ActiveRules) -> Entry:
        """Return the entry of a stored event."""
        return cls(pos, decode(body), rules, len(body))

    def begin(self) -> bytes:
        """Make what all receivers share, and return it; nothing where the key is too long to be shared."""
        prefix = self._prefix = f"{_system_in_key(self.wire.source)}/{self.wire.id}:"
        if len(prefix) + self.rules.longest <= KEY_LIMIT:
            self.start = opening(self.wire, prefix)
        return self.start

    def outlives(self, item: Item) -> bool:
        """Say whether its rule wants it delivered on its day also when the resident has died before (`after_death`)."""
        return self.rules.ruleset.rules[item.rule].after_death == "deliver"

    def ending(self, item: Item, after: bytes = b"") -> bytes:
        """Return what follows the key of a plain delivery, and `after`."""
        return self.rules.projections[item.rule].data(self.wire.data, item.values, _NEW, b"}" + after)

    def tail(self, item: Item) -> bytes:
        """Return what follows the key of a plain delivery; receivers with the same projection share the bytes."""
        if item.values is not None:
            return self.ending(item)
        if self._tails is None:
            self._tails = {}
        shape = self.rules.shapes[item.rule]
        found = self._tails.get(shape)
        if found is None:
            found = self._tails[shape] = self.ending(item)
        return found

    def body(self, item: Item) -> bytes:
        """Return what a receiver is sent, first, of an event with nothing to it but to be sent: `delivery().body`."""
        start = self.start or self.begin()
        if not start:
            return self.delivery(item, 0).body
        return b"".join((start, self.rules.ends[item.receiver][1], self.tail(item)))

    def key(self, receiver: int, job: int) -> str:
        """Return the delivery key of a receiver (contract.md: at most 200 characters, longer ids are hashed)."""
        if not self._prefix:
            self.begin()
        key = f"{self._prefix}{self.rules.keys[receiver]}:{job}"
        return key if len(key) <= KEY_LIMIT else short_key(self.wire, self.rules.keys[receiver], job)

    def delivery(
        self, item: Item, no: int, job: int = 0, cut: Cut | None = None, body: bytes | None = None
    ) -> Delivery:
        """Return what the receiver is sent; `cut` is what a protected resident's data loses.

        `body` is what `body()` makes, where it is made.
        """
        start = self.start or self.begin()
        wire, rules = self.wire, self.rules
        if job or not start:
            key = self.key(rules.numbers[item.receiver], job)
            start, end = opening(wire, key), b""
        else:
            name, end = rules.ends[item.receiver]
            key = self._prefix + name
        action = "new"
        if item.made is not None or cut is not None:
            action, tail = self._special(item, cut)
            body = b"".join((start, end, tail))
        elif body is None:
            body = b"".join((start, end, self.tail(item)))
        return Delivery(key, no, wire.id, self.type, wire.subject, wire.time, body, action)

    def _data(self, item: Item) -> bytes:
        return self.rules.projections[item.rule].data(self.wire.data, item.values)

    def _special(self, item: Item, cut: Cut | None) -> tuple[str, bytes]:
        made = item.made or {"action": "new", "data": orjson.loads(self._data(item))}
        data = made["data"] if cut is None else cut.apply(made["data"])
        parts = [b'","action":', orjson.dumps(made["action"])]
        if "corrects" in made:
            parts += [b',"corrects":', orjson.dumps(made["corrects"])]
        return made["action"], b"".join((*parts, b',"data":', orjson.dumps(data), b"}"))


def cut_for(
    entry: Entry, item: Item, rules: Callable[[int], ActiveRules], *, then: bool = False, shown: bool = False
) -> Cut:
    """Return what a delivery leaves out about a protected resident: by its rule, and by the one that projected it.

    Both are held to what the city permits now, unless it is about what was made `then`; `shown` is for people.
    """
    cut = entry.rules.cut(item.rule, then=then, shown=shown)
    if item.made is not None and "by" in item.made:
        ruleset, rule = item.made["by"]
        cut |= rules(ruleset).cut(rule, then=then, shown=shown)
    return cut


def short_key(wire: Wire, receiver: str, job: int) -> str:
    """Return the key of an event whose id is too long: the id, or the whole name, as 32 hex digits."""
    system = _system_in_key(wire.source)
    digest = digest_of(wire.source, wire.id)
    key = f"{system}/{digest}:{receiver}:{job}"
    return key if len(key) <= KEY_LIMIT else f"{digest}:{receiver}:{job}"


def digest_of(source: str, event_id: str) -> str:
    """Return the 32 hex digits by which a key that would be too long names an event."""
    return hashlib.sha256(f"{_system_in_key(source)}/{event_id}".encode()).hexdigest()[:DIGEST]


@lru_cache(maxsize=1_000)
def _system_in_key(source: str) -> str:
    """Return a source's system without slashes, which would let `a/b` of `c` and `a` of `b/c` share a key."""
    system = system_of(source)
    return system.replace("%", "%25").replace("/", "%2F") if "/" in system or "%" in system else system


def source_in_key(text: str) -> str:
    """Return the source that a key names by its system, as the ledger has it."""
    return source_of(text.replace("%2F", "/").replace("%25", "%"))


class Share:
    """One receiver's planned deliveries of a stretch, in order: events and items side by side.

    `odd` are the places of those to which there is more than to send them.
    """

    __slots__ = ("entries", "items", "odd")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.items: list[Item] = []
        self.odd: list[int] = []

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[tuple[Entry, Item]]:
        return zip(self.entries, self.items, strict=True)


_Part = tuple[Callable[[bytes], None], bytes]


@dataclass(slots=True)
class Chunk:
    """A stretch of one stream, `after < pos <= upto`, with each receiver's planned deliveries in order."""

    stream: int
    after: int
    upto: int
    events: int
    size: int = 0  # bytes of their bodies
    planned: defaultdict[int, Share] = field(default_factory=lambda: defaultdict(Share))
    vital: list[Entry] = field(default_factory=list)  # deaths, and what may take one back
    pieces: dict[int, list[bytes]] | None = None  # by receiver: see `make`
    _entries: list[Entry] = field(default_factory=list)
    _plans: list[Plan] = field(default_factory=list)
    _about: dict[str, list[int]] = field(default_factory=dict)

    @property
    def about(self) -> Mapping[str, list[int]]:
        """Return the positions of its events by whom they are about; asked when all of them are in it."""
        about = self._about
        if not about:
            for entry in self._entries:
                about.setdefault(entry.subject, []).append(entry.pos)
        return about

    def add(self, entry: Entry, plan: Plan, size: int) -> None:
        """Add an event's plan; `size` is that of its body."""
        planned = self.planned
        entry.size = size
        for number, item in plan.told:
            share = planned[number]
            if not plan.is_plain and not is_plain(item):
                share.odd.append(len(share.entries))
            share.entries.append(entry)
            share.items.append(item)
        if entry.type in VITAL:
            self.vital.append(entry)
        self._entries.append(entry)
        self._plans.append(plan)
        self.events += 1
        self.size += size

    def make(self, receivers: Iterable[int]) -> None:
        """Make what these receivers are sent of their shares, in `pieces`: three a delivery, empty ones of the odd.

        The third ends with a line break; no other is in it. One event after another for all of them, while it is at
        hand: each receiver for itself would fetch all events from memory anew. Anything unusual among the events, and
        nothing is made.
        """
        made = {number: list[bytes]() for number in receivers if number in self.planned}
        try:
            usual = self._fill(made)
        except Exception:  # noqa: BLE001 - each receiver comes to it when it makes its own, and says so
            usual = False
        self.pieces = made if usual else {}

    def _fill(self, made: Mapping[int, list[bytes]]) -> bool:
        parts: dict[int, list[tuple[Item | None, list[_Part]]]] = {}  # by plan, which events have in common
        for entry, plan in zip(self._entries, self._plans, strict=True):
            mine = parts.get(id(plan))
            if mine is None:
                mine = parts[id(plan)] = _parts(plan, entry.rules, made)
            if not mine:
                continue
            start = entry.start or entry.begin()
            for item, each in mine:
                if item is None:
                    for add, nothing in each:
                        add(nothing)
                        add(nothing)
                        add(nothing)
                    continue
                tail = entry.ending(item, b"\n")
                if not start or tail.find(b"\n") != len(tail) - 1:
                    return False
                for add, end in each:
                    add(start)
                    add(end)
                    add(tail)
        return True


def _parts(plan: Plan, rules: ActiveRules, made: Mapping[int, list[bytes]]) -> list[tuple[Item | None, list[_Part]]]:
    """Return items that are projected alike, one of each, with where the pieces go and the key's end.

    None stands for those that are odd. Raises ValueError where a receiver is told twice: its pieces would not be in
    order.
    """
    found: dict[object, tuple[Item | None, list[_Part]]] = {}
    if len(dict(plan.told)) < len(plan.told):
        raise ValueError("a receiver is told twice of one event")
    for number, item in plan.told:
        if number not in made:
            continue
        if not is_plain(item):
            found.setdefault(None, (None, []))[1].append((made[number].append, b""))
            continue
        alike = rules.shapes[item.rule] if item.values is None else item
        found.setdefault(alike, (item, []))[1].append((made[number].append, rules.ends[item.receiver][1]))
    return list(found.values())


def pack_plan(items: Sequence[Item]) -> bytes:
    """Return a plan as stored on the event's row: JSON, `[receiver, rule]`, longer where there is more to say."""
    return kept([_packed(item) for item in items])


def _packed(item: Item) -> tuple[Any, ...]:
    if (item.values or item.hold or item.suppressed or item.made or item.due) is None:
        return (item.receiver, item.rule)
    said = (item.values, item.hold, item.detail, item.suppressed, item.made, item.due)
    return (item.receiver, item.rule, *said)


def unpack_plan(plan: bytes) -> list[Item]:
    """Return the planned deliveries of a stored plan."""
    return [Item(*fields[:FIELDS]) for fields in orjson.loads(plan)]


def pack_made(rules: int, item: Item) -> bytes:
    """Return one delivery that no event's plan holds, as stored in `pending` and with its command: JSON.

    `rules` is the number of the rule set by which its receiver and rule are counted.
    """
    return kept([rules, _packed(item)])


def unpack_made(payload: bytes) -> tuple[int, Item]:
    """Return the number of the rule set and the delivery."""
    rules, fields, *_ = orjson.loads(payload)
    return rules, Item(*fields[:FIELDS])
