"""A city's rules as one value: ordered, content-addressed, and complete enough to plan and project years later."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from hub.settings.gaiji import own_tables
from hub.settings.models import Protected, TableRow

if TYPE_CHECKING:
    from hub.settings.models import City, Subscription, System

SendItem = str | dict[str, str]

_COLUMNS = ("code", "value", "from", "until")


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A subscription as it stands in a rule set.

    `receivers` are indices into `RuleSet.receivers`; `within` is `{days, from, roll}`; `protected` is the rule's own
    `{mode, send_flag}` or else its system's; `deliver` None leaves the choice to the receiver; `after_death` is
    `cancel` or `deliver`; `ids` is `hold` or `reject` where it sends its system's own number and that must be known.
    """

    id: str
    system: str
    on: tuple[str, ...]
    when: str | None = None
    send: tuple[SendItem, ...] = ()
    require: tuple[str, ...] = ()
    purpose: str = ""
    provision: str = ""
    within: dict[str, Any] | None = None
    unknown: str = "skip"
    deliver: str | None = None
    after_death: str = "cancel"
    protected: dict[str, Any] = {}
    unidentified: bool = False
    ids: str = ""
    receivers: tuple[int, ...] = ()
    enabled: bool = True

    @property
    def name(self) -> str:
        """Return `<system>.<rule id>`, unique in a city."""
        return f"{self.system}.{self.id}"


class ReceiverEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A receiver as far as planning needs it; `key` is `<system>.<receiver>`."""

    key: str
    system: str
    deliver: str = "on-report"
    enabled: bool = True
    late: str = "restate"


class _Contents(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a rule set is made of, and nothing of where it was written."""

    systems: tuple[str, ...] = ()
    receivers: tuple[ReceiverEntry, ...] = ()
    rules: tuple[Rule, ...] = ()
    tables: dict[str, tuple[tuple[str, ...], ...]] = {}  # as in _COLUMNS; a newer hub may append more


def _alike(rule: Rule) -> bytes:
    """Return what two rules have in common that are the same, whichever numbers their receivers have."""
    return msgspec.json.encode(msgspec.structs.replace(rule, receivers=()), order="deterministic")


class RuleSet:
    """All rules of a city in file order, with the receivers and lookup tables they need.

    `hash` is the SHA-256 of `dump()` as JSON with sorted keys, so equal content has the same hash wherever it stands.
    A rule's number is its index in `rules`, a receiver's its index in `receivers`. `places` names each rule's line for
    people; it is not part of the content, and after `load` it is `<system>.<rule id>` until `placed_by` knows better.
    """

    def __init__(self, contents: _Contents, places: tuple[str, ...] = ()) -> None:
        self._contents = contents
        self.systems = contents.systems
        self.rules = contents.rules
        self.receiver_entries = contents.receivers
        self.receivers: tuple[str, ...] = tuple(entry.key for entry in contents.receivers)
        self.tables: dict[str, tuple[TableRow, ...]] = {
            name: tuple(TableRow.model_validate(dict(zip(_COLUMNS, row, strict=False))) for row in rows)
            for name, rows in contents.tables.items()
        }
        self.places = places or tuple(rule.name for rule in contents.rules)
        self.hash = hashlib.sha256(orjson.dumps(self.dump(), option=orjson.OPT_SORT_KEYS)).hexdigest()

    @classmethod
    def of(cls, city: City) -> RuleSet:
        """Return the rule set of a loaded city."""
        receivers = city.receivers()
        number = {receiver.key: index for index, receiver in enumerate(receivers)}
        subscriptions = city.subscriptions()
        apart = own_tables(city)
        contents = _Contents(
            systems=tuple(city.systems),
            receivers=tuple(
                ReceiverEntry(
                    key=each.key, system=each.system, deliver=each.deliver, enabled=each.enabled, late=each.late
                )
                for each in receivers
            ),
            rules=tuple(_rule(each, city, number) for each in subscriptions),
            tables={
                name: tuple((row.code, row.value, row.from_, row.until) for row in rows)
                for name, rows in city.tables.items()
                if name not in apart
            },
        )
        return cls(contents, tuple(each.place or f"{each.system}.{each.id}" for each in subscriptions))

    def keeping(self, older: RuleSet) -> RuleSet:
        """Return these rules, and behind them what an older set had and they lack; a receiver that is gone is disabled.

        Numbers stay what they are, so that what was told by a rule that is gone can still be put right.
        """
        names = {rule.name for rule in self.rules}
        entries = [entry for entry in older.receiver_entries if entry.key not in self.receivers]
        receivers = (*self.receiver_entries, *(msgspec.structs.replace(entry, enabled=False) for entry in entries))
        number = {entry.key: index for index, entry in enumerate(receivers)}
        gone = tuple(
            msgspec.structs.replace(rule, receivers=tuple(number[older.receivers[each]] for each in rule.receivers))
            for rule in older.rules
            if rule.name not in names
        )
        if not entries and not gone:
            return self
        contents = _Contents(
            systems=tuple(dict.fromkeys((*self.systems, *older.systems))),
            receivers=receivers,
            rules=(*self.rules, *gone),
            tables={**older._contents.tables, **self._contents.tables},
        )
        return RuleSet(contents, (*self.places, *(rule.name for rule in gone)))

    def placed_by(self, standing: RuleSet) -> RuleSet:
        """Return this set with the lines of those of its rules that stand in another set just as they are here."""
        lines = {_alike(rule): place for rule, place in zip(standing.rules, standing.places, strict=True)}
        return RuleSet(self._contents, tuple(lines.get(_alike(rule), rule.name) for rule in self.rules))

    def dump(self) -> dict[str, Any]:
        """Return plain JSON that `load` takes back; what has its default is left out."""
        plain: dict[str, Any] = msgspec.to_builtins(self._contents)
        return plain

    @classmethod
    def load(cls, plain: dict[str, Any]) -> RuleSet:
        """Return the rule set `plain` was dumped from; raises msgspec.ValidationError for anything else."""
        return cls(msgspec.convert(plain, _Contents))


def numbers_needed(system: System, written: Any) -> str:
    """Return `hold` or `reject` where expressions ask for the system's own number of the resident; else nothing.

    `written` is anything that holds texts: a `send`, a receiver's options, a layout's expressions.
    """
    if system.ids is None or system.ids.missing == "blank":
        return ""
    call = re.compile(rf"\blocal_id\(\s*[\"']{re.escape(system.system)}[\"']\s*(?:,\s*subject\s*)?\)")
    return system.ids.missing if any(call.search(text) for text in _texts(written)) else ""


def _texts(written: Any) -> Iterator[str]:
    if isinstance(written, str):
        yield written
    elif isinstance(written, dict):
        for part in written.values():
            yield from _texts(part)
    elif isinstance(written, list | tuple):
        for part in written:
            yield from _texts(part)


def _rule(subscription: Subscription, city: City, number: dict[str, int]) -> Rule:
    system = city.systems[subscription.system]
    names = subscription.to or tuple(system.receives)
    because = subscription.because
    protected = subscription.protected or system.protected or Protected()
    return Rule(
        id=subscription.id,
        system=subscription.system,
        on=subscription.on,
        when=subscription.when,
        send=subscription.send,
        require=subscription.require,
        purpose=because.purpose if because else "",
        provision=because.provision if because else "",
        within=subscription.within.model_dump(by_alias=True) if subscription.within else None,
        unknown=subscription.unknown,
        deliver=subscription.deliver,
        after_death=subscription.after_death,
        protected=protected.model_dump(),
        unidentified=subscription.unidentified,
        ids=numbers_needed(system, subscription.send),
        receivers=tuple(number[key] for name in names if (key := f"{subscription.system}.{name}") in number),
        enabled=subscription.enabled,
    )
