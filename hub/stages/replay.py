"""Replay: what never succeeded is tried again under its own key, what succeeded is sent again under a new one.

Nobody but the chosen receivers gets anything. What a later delivery of the same type and resident has overtaken is
`superseded`, unless a person says otherwise; what has effects outside the city hall is left out unless asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, Protocol

from hub.ledger import commands
from hub.ledger.engine import Ledger
from hub.ledger.jobs import Order
from hub.ledger.states import DECISIONS
from hub.stages.entries import ActiveRules, Item, pack_made
from hub.stages.jobs import Plan
from hub.stages.told import ARRIVED, Told

AT_ONCE = 500  # deliveries held in memory at one time
_DECIDED = DECISIONS["release"]["held"]


class Remake(Protocol):
    """What changes a payload: today's rules, or a person's edit."""

    def __call__(self, told: Told, rules: ActiveRules, item: Item) -> tuple[ActiveRules, Item] | str:
        """Return what to send, counted by which rules, or why there is nothing to send."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """How a replay goes. `named` are the statuses the person named, `outward` the receivers with effects outside."""

    named: frozenset[str] = frozenset()
    live: frozenset[str] = frozenset()  # keys of the receivers the city has
    outward: frozenset[str] = frozenset()
    include_outward: bool = False
    even_if_stale: bool = False
    rate: float | None = None


class _Line(NamedTuple):
    """One item of the plan, as it is kept until all are found."""

    pos: int
    job: int
    receiver: int
    what: str
    order: Order
    shown: dict[str, Any]
    key: str


def plan(ledger: Ledger, found: Iterable[Told], choice: Choice, remakes: Iterable[Remake] = ()) -> Plan:
    """Return what a replay of these deliveries does; an event's deliveries come one after the other."""
    made = Plan("replay", {"even_if_stale": choice.even_if_stale, "rate": choice.rate})
    makers = list(remakes)
    lines: list[_Line] = []
    for part in _parts(found):
        chosen: list[tuple[str, Told]] = []
        for told in _once(part):
            what = _what(told, choice)
            if what in {"retry", "resend"}:
                chosen.append((what, told))
            else:
                made.left_out[what] += 1
        stale = set() if choice.even_if_stale else _overtaken(ledger, [told for _, told in chosen if told.hold is None])
        for what, told in chosen:
            superseded = (told.receiver, told.entry.pos) in stale and told.hold is None
            line = _line(what, told, makers, superseded=superseded)
            if isinstance(line, str):
                made.left_out[line] += 1
            else:
                lines.append(line)
    for line in sorted(lines, key=lambda each: each[:3]):
        made.add(line.what, line.order, line.shown, line.key)
    return made


def _parts(found: Iterable[Told]) -> Iterator[list[Told]]:
    """Yield the deliveries of some events at a time: all of them at once would not fit into memory."""
    part: list[Told] = []
    for _, group in groupby(found, key=lambda told: told.entry.pos):
        part += group
        if len(part) >= AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _once(found: Iterable[Told]) -> list[Told]:
    """Keep of an event's deliveries to one receiver the last that succeeded, and all that did not."""
    kept: dict[tuple[int, int, int], Told] = {}
    newest: dict[tuple[int, int], Told] = {}
    for told in found:
        if told.state[0] not in ARRIVED:
            kept[told.receiver, told.entry.pos, told.job] = told
        elif (known := newest.get((told.receiver, told.entry.pos))) is None or known.job < told.job:
            newest[told.receiver, told.entry.pos] = told
    return [*kept.values(), *newest.values()]


def _what(told: Told, choice: Choice) -> str:
    """Return `retry` or `resend`, or why a delivery is left out."""
    status, reason = told.state
    if told.key not in choice.live:
        return "receiver gone or disabled"
    if told.key in choice.outward and not choice.include_outward:
        return "outward"
    if status in ARRIVED:
        return "resend"
    if _untold(status, reason, choice):
        return "retry"
    return f"{status}: {reason}" if reason else status


def _untold(status: str, reason: str | None, choice: Choice) -> bool:
    """Say whether a delivery is tried again; what waits for a person only if the person named its status."""
    decided = status == "unknown" or (status == "held" and reason in _DECIDED)
    ended = status == "suppressed" and reason == "disabled"
    return (
        status in {"waiting", "dead"}
        or (status in choice.named and (decided or ended))
        or (status == "superseded" and choice.even_if_stale)
    )


def _overtaken(ledger: Ledger, found: Iterable[Told]) -> set[tuple[int, int]]:
    """Return `(receiver, pos)` of what a later delivery has overtaken."""
    by_receiver: defaultdict[int, set[int]] = defaultdict(set)
    for told in found:
        by_receiver[told.receiver].add(told.entry.pos)
    stale: set[tuple[int, int]] = set()
    with ledger.read() as connection:
        for receiver, positions in by_receiver.items():
            for part in commands.parts(sorted(positions)):
                stale |= {(receiver, pos) for pos in commands.overtaken(connection, receiver, part)}
    return stale


def _line(what: str, told: Told, makers: list[Remake], *, superseded: bool) -> _Line | str:
    """Return an item of the plan, or why there is nothing to send."""
    payload, rules, item = told.payload, told.entry.rules, told.item
    shown: dict[str, Any] = {"id": told.entry.key(told.receiver, told.job), "status": told.state[0]}
    for maker in makers:
        answer = maker(told, rules, item)
        if isinstance(answer, str):
            return answer
        rules, item = answer
        payload = pack_made(rules.no, item)
    if makers:
        shown |= _changes(told, rules, item)
    order = Order(told.receiver, what, told.entry.pos, told.job, payload)
    counted = "superseded" if superseded else what
    return _Line(told.entry.pos, told.job, told.receiver, counted, order, shown, told.key)


def _changes(told: Told, rules: ActiveRules, item: Item) -> dict[str, Any]:
    """Return, if there are any, the `changes` of what was planned: field → `[before, after]`, None for an absent one.

    Those that would locate a protected resident are not shown but named: `withheld`.
    """
    before, after = told.shown.data, (item.made or {}).get("data", {})
    if told.veil is None:
        changes, withheld = _differing(before, after), []
    else:
        whole = told.entry.delivery(told.item, 0, told.job).data
        changes = _differing(before, (told.veil | rules.cut(item.rule, shown=True)).apply(after))
        withheld = [name for name in _differing(whole, after) if name not in changes]
    return {name: found for name, found in (("changes", changes), ("withheld", withheld)) if found}


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    names = sorted({*before, *after})
    return {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}
