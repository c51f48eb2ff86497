"""Feeds: what a system fetches over HTTP, and what it says of it.

What is handed out is projected at that moment, by the rule and by who is protected then. What may not go out is left
out, and the receiver's owner asked to look at it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hub.errors import NotFound, UsageError
from hub.ledger import feed
from hub.ledger.desk import Desk
from hub.ledger.engine import Ledger
from hub.ledger.feed import Offer
from hub.ledger.jobs import Order
from hub.ledger.views import Views
from hub.settings.models import City, Receiver
from hub.stages.entries import Entry, Item, cut_for, unpack_made, unpack_plan
from hub.stages.masking import note_of
from hub.stages.rulebook import RuleBook
from hub.stages.shutters import Shutters
from hub.stages.times import moment

Json = dict[str, Any]
ADAPTER = "pull"


class Feeds:
    """The feeds of one city. Synchronous: the server calls it in worker threads; raises LedgerUnavailable."""

    def __init__(
        self,
        city: City,
        ledger: Ledger,
        book: RuleBook,
        protection: Callable[[Iterable[str]], dict[str, bool]],
        written: Callable[[str, Json], Json] = lambda _, data: data,
    ) -> None:
        """Lend what they need; `written(system, data)` returns data in the system's own characters."""
        self._ledger = ledger
        self._desk = Desk(ledger)
        self._book = book
        self._protection = protection
        self._written = written
        self._views = Views(ledger)
        self._shutters = Shutters.of(city, ledger)
        self._receivers = [each for each in city.receivers() if each.adapter == ADAPTER and each.enabled]

    def items(self, system: str, after: int, limit: int, *, receiver: str | None = None) -> Json:
        """Return what is on offer behind a place: `{"items": [projected CloudEvent …], "next"}`.

        `next` is the place of the last one, or `after` again. A receiver that is shut hands out nothing and says why:
        `closed`. Raises NotFound and UsageError.
        """
        number, mine = self._feed(system, receiver)
        self._shutters.refresh()
        shut = self._shutters(mine.key)
        if shut is not None:
            until = moment(shut.until) if shut.until is not None else None
            return {"items": [], "next": after, "closed": {"reason": shut.reason, "until": until, "note": shut.note}}
        offers = feed.offers(self._ledger, number, after, limit)
        made = self._made(number, offers)
        flags = self._protection(each.subject for each in offers)  # asked last, just before it goes out
        items, again = [], []
        for offer, (entry, item) in zip(offers, made, strict=True):
            flag = flags.get(offer.subject)
            cut = cut_for(entry, item, self._book.__getitem__) if flag is not None else None
            if flag is False or (cut is not None and cut.suppressed):
                again.append(offer)
            else:
                event = entry.delivery(item, offer.no, offer.job, cut).event
                items.append({**event, "data": self._written(system, event["data"])})
        self._reconsider(number, mine, again)
        return {"items": items, "next": offers[-1].no if offers else after}

    def acknowledge(
        self,
        system: str,
        *,
        cursor: int | None = None,
        keys: Sequence[str] = (),
        refused: Mapping[str, str] | None = None,
        receiver: str | None = None,
    ) -> Json:
        """Take a system's word: what it has taken, up to a place or by keys, and what it refuses for good, and why.

        Of why, what it was sent is left out.

        Returns `{"delivered", "refused", "before", "unknown", "job"}`: how many each, the keys the feed does not know,
        and the job by which the owner is told (None: there is nothing to do). Saying the same again changes nothing.
        Raises NotFound and UsageError.
        """
        number, _ = self._feed(system, receiver)
        refused = refused or {}
        open_ = {(each.pos, each.job): each for each in feed.offers(self._ledger, number)}
        by_key = self._by_key(number, list(open_.values())) if keys or refused else {}
        taken = {(each.pos, each.job) for each in open_.values() if cursor is not None and each.no <= cursor}
        taken |= {by_key[key][0] for key in keys if key in by_key}
        bad = {}
        for key, why in refused.items():
            if key in by_key:
                at, data = by_key[key]
                bad[at] = note_of(why, data, self._written(system, data))
        places = {at: str(each.no).encode() for at, each in open_.items()}  # taken is what was on offer there
        orders = [Order(number, "take", *at, places[at]) for at in sorted(taken - bad.keys())]
        orders += [Order(number, "decline", *at, why.encode()) for at, why in bad.items()]
        elsewhere = [key for key in (*keys, *refused) if key not in by_key]
        before = feed.ended(self._ledger, number, elsewhere) if elsewhere else set()
        job = feed.order(self._ledger, orders, by=system, what="acknowledged")
        return {
            "delivered": len(taken - bad.keys()),
            "refused": len(bad),
            "before": len(before),
            "unknown": [key for key in elsewhere if key not in before],
            "job": job,
        }

    def settled(self, job: int) -> bool:
        """Say whether the owner has done all of an acknowledgement: then what comes next is on offer."""
        return feed.carried_out(self._ledger, job)

    def _reconsider(self, number: int, mine: Receiver, again: list[Offer]) -> None:
        """Ask the owner to look again at what may not go out: to hold it, or to end it."""
        if not again:
            return
        known = feed.asked_again(self._ledger, number)
        orders = [
            Order(number, "reconsider", each.pos, each.job) for each in again if (each.pos, each.job) not in known
        ]
        feed.order(self._ledger, orders, by=mine.system, what="protected")

    def _made(self, number: int, offers: Sequence[Offer]) -> list[tuple[Entry, Item]]:
        """Return what is to be sent of what is on offer: as planned, or as its payload says."""
        rows = self._desk.fetch([each.pos for each in offers])
        found = []
        for each in offers:
            row = rows[each.pos]
            if each.payload is not None:
                ruleset, item = unpack_made(each.payload)
                found.append((Entry.of(row.pos, row.body, self._book[ruleset]), item))
                continue
            entry = Entry.of(row.pos, row.body, self._book[row.ruleset])
            numbers = entry.rules.numbers
            found.append((entry, next(item for item in unpack_plan(row.plan) if numbers[item.receiver] == number)))
        return found

    def _by_key(self, number: int, offers: Sequence[Offer]) -> dict[str, tuple[tuple[int, int], Json]]:
        """Return what is on offer by its delivery keys: which it is, and all the data there is of it."""
        made = self._made(number, offers)
        return {
            entry.key(number, each.job): ((each.pos, each.job), entry.delivery(item, each.no, each.job).data)
            for each, (entry, item) in zip(offers, made, strict=True)
        }

    def _feed(self, system: str, receiver: str | None) -> tuple[int, Receiver]:
        """Return a system's feed. Raises NotFound when it has none, UsageError when it must be said which."""
        mine = [each for each in self._receivers if each.system == system and receiver in (None, each.name)]
        if not mine:
            named = f"{system}.{receiver}" if receiver else system
            raise NotFound(f"{named} has no feed", mend=f"give it a receiver with `adapter: {ADAPTER}`")
        if len(mine) > 1:
            raise UsageError(f"{system} has several feeds", mend="say `receiver=`: " + ", ".join(r.name for r in mine))
        numbers = {row.key: row.no for row in self._views.receivers()}
        if mine[0].key not in numbers:
            raise NotFound(f"{mine[0].key} has not been offered anything yet")
        return numbers[mine[0].key], mine[0]
