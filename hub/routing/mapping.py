"""From a row of a legacy system to an event, as the system's `publishes` says.

A column the row does not have is Malformed, with the columns there are. A value that is null or an empty text leaves
its field absent. Texts stay as received; `subject` and `id` become texts, `sequence` a whole number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hub.errors import Malformed
from hub.events.catalogue import TYPES
from hub.events.envelope import Event, event_from, identity
from hub.routing.expressions import Compiled, Environment, ExpressionFault, Missing, compile_expression
from hub.routing.identity import AGREES, PROVISIONAL, Known, Unidentified, checked, is_provisional, refused
from hub.routing.outline import MACROS
from hub.routing.tokens import did_you_mean, tokens_of
from hub.routing.values import Path, plain
from hub.settings.models import Case, Publication, Source, System, Verify

ROOTS = frozenset({"row"})
_CHOICES = MACROS | {"?", "&&", "||", "has"}  # what may leave a part of an expression unread
DIFFERENCE_ROOTS = ROOTS | {"was", "changed", "change", "batch"}  # of a row that was compared with what was known


def roots_of(source: Source) -> frozenset[str]:
    """Return the names that a source's mappings may use."""
    return DIFFERENCE_ROOTS if source.mode == "snapshot" else ROOTS


class Difference(dict[str, Any]):
    """A row of a full extract that differs from what was known, with what mappings may use `beside` it.

    `identity` is what its event's id is made of where neither the source nor the publication says.
    """

    def __init__(self, row: Mapping[str, Any], beside: Mapping[str, Any], identity: list[Any]) -> None:
        super().__init__(row)
        self.beside = beside
        self.identity = identity


@dataclass(frozen=True, slots=True)
class Ignored:
    """A row that makes no event, and why."""

    reason: str


def kept_columns(key: Expression, mappers: Iterable[Mapper], *, missing: bool) -> frozenset[str] | None:
    """Return the columns of a full extract that are kept in plain text, None for all.

    They are those of the key, and those that mappings name as `was`; with `missing` also those they name as `row`,
    which is all that is left of a row that is missing.
    """
    roots = {"was", "row"} if missing else {"was"}
    paths = [path for mapper in mappers for path in mapper.paths if path[0] in roots]
    if any(len(path) == 1 for path in paths):
        return None
    return frozenset(path[1] for path in (*paths, *key.paths) if len(path) > 1)


class Expression:
    """One expression of a mapping; whatever goes wrong in it is Malformed, with its place."""

    def __init__(self, text: str, env: Environment, place: str, roots: frozenset[str] = ROOTS) -> None:
        self._compiled: Compiled = compile_expression(text, roots=roots, env=env, place=place)

    @property
    def paths(self) -> frozenset[Path]:
        """Return the static paths it reads."""
        return self._compiled.paths

    @property
    def columns(self) -> dict[str, str]:
        """Return the columns it reads of every row, whatever else the row holds, each with the expression's place."""
        if any(token.text in _CHOICES for token in tokens_of(self._compiled.source) if token.kind != "string"):
            return {}
        paths = (path for path in self._compiled.needed if path[0] == "row" and len(path) > 1)
        return {path[1]: self._compiled.place for path in paths}

    def value(self, row: Mapping[str, Any], today: Callable[[], str]) -> Any:
        """Return the value, None when it is unknown. Raises Malformed: `column`, `expression`, or a function's name."""
        try:
            return self._evaluated(row, today)
        except Missing:
            return None

    def needed(self, row: Mapping[str, Any], today: Callable[[], str], what: str) -> Any:
        """Return a value there must be. Raises Malformed, also `empty`."""
        try:
            value = self._evaluated(row, today)
        except Missing as missing:
            raise self.refused(f"{what} is empty: {missing}", "empty") from None
        if value is None or value == "":
            raise self.refused(f"{what} is empty", "empty")
        return value

    def _evaluated(self, row: Mapping[str, Any], today: Callable[[], str]) -> Any:
        try:
            return self._compiled.evaluate({"row": row, **getattr(row, "beside", {})}, today=today)
        except Missing as missing:
            if len(missing.path) > 1 and missing.path[0] == "row" and missing.path[1] not in row:
                raise self._no_column(missing.path[1], row) from None
            raise
        except ExpressionFault as fault:
            raise Malformed(fault.message, place=fault.place, code=fault.code) from None

    def refused(self, message: str, code: str) -> Malformed:
        """Return a Malformed that points at this expression."""
        return Malformed(f"{message}, in: {self._compiled.source}", place=self._compiled.place, code=code)

    def _no_column(self, column: str, row: Mapping[str, Any]) -> Malformed:
        mend = did_you_mean(column, [str(name) for name in row])
        if not mend.endswith("?"):  # all names, which are a person's where a file has no header
            mend = f"correct the mapping; columns found: {len(row)}"
        return Malformed(f"there is no column {column}", place=self._compiled.place, mend=mend, code="column")


class CaseMapper:
    """One kind of change: when it applies, and the data it makes."""

    def __init__(
        self, case: Case, publication: Publication, env: Environment, source: str, roots: frozenset[str] = ROOTS
    ) -> None:
        self.event = case.event
        self.ignore = case.ignore
        self._source = source
        self._when = Expression(case.when, env, case.place_of("when"), roots) if case.when else None
        type_ = TYPES.get(case.event or "")
        fields = type_.fields if type_ is not None else {}
        # A default stands for the types that have the field: one list serves cases of different types.
        written = {name: (text, publication) for name, text in publication.defaults.items()}
        kept = {name: pair for name, pair in written.items() if case.event == "event.corrected" or name in fields}
        self._data = {
            name: Expression(text, env, model.place_of(key, name), roots)
            for key, part in (("defaults", kept), ("map", {name: (text, case) for name, text in case.map.items()}))
            for name, (text, model) in part.items()
        }
        self._parted = {name for name, field in fields.items() if field.kind == "address"}
        key, target = ("corrects", case.corrects) if case.corrects is not None else ("cancels", case.cancels)
        self._corrects = key == "corrects"
        aimed = (target or {}).items()
        self._target = {name: Expression(text, env, case.place_of(key, name), roots) for name, text in aimed}

    @property
    def knows_missing(self) -> bool:
        """Say whether its test asks for `change`, and so may mean a row that is missing from a full extract."""
        return self._when is not None and ("change",) in self._when.paths

    @property
    def paths(self) -> frozenset[Path]:
        """Return the static paths its expressions read."""
        own = [*self._data.values(), *self._target.values(), *([self._when] if self._when else [])]
        return frozenset(path for expression in own for path in expression.paths)

    @property
    def columns(self) -> dict[str, str]:
        """Return the columns it reads of every row that becomes its event, each with the mapping's place."""
        own = [*([self._when] if self._when else []), *self._data.values(), *self._target.values()]
        return {name: place for expression in own for name, place in expression.columns.items()}

    def applies(self, row: Mapping[str, Any], today: Callable[[], str]) -> bool:
        """Say whether the row is of this kind; a test that is unknown says no. Raises Malformed."""
        if self._when is None:
            return True
        answer = self._when.value(row, today)
        if answer is None or isinstance(answer, bool):
            return bool(answer)
        raise self._when.refused("the test gives neither true nor false", "expression")

    def data(self, row: Mapping[str, Any], subject: str, today: Callable[[], str]) -> dict[str, Any]:
        """Return the event's data. Raises Malformed."""
        data = {}
        for name, expression in self._data.items():
            value = expression.value(row, today)
            if isinstance(value, dict) and (name in self._parted or self._corrects):
                value = {part: item for part, item in value.items() if item is not None and item != ""} or None
            if value is not None and value != "":
                data[name] = value
        if not self._target:
            return data
        if self._corrects:
            dates: dict[str, Any] = {name: data[name] for name in ("effective_on", "notified_on") if name in data}
            data = {**dates, "data": data}
        return {**data, **self._aim(row, subject, today)}

    def _aim(self, row: Mapping[str, Any], subject: str, today: Callable[[], str]) -> dict[str, Any]:
        """Return what names the event that is taken back or corrected."""
        aim = {}
        for name, expression in self._target.items():
            if name == "reason":
                reason = expression.value(row, today)
                aim.update({"reason": reason} if reason else {})
                continue
            value = expression.needed(row, today, name)
            aim[name] = _whole(value, expression) if name == "sequence" else value
        if "sequence" in aim:
            aim.setdefault("subject", subject)
        if "identity" in aim:
            aim.setdefault("source", self._source)
        return aim


@dataclass(frozen=True, slots=True)
class Answer:
    """Who a row is about: `subject`, or None with why and what becomes of the row."""

    subject: str | None
    reason: str = ""
    given: str = ""
    found: str = ""
    checked: dict[str, str] = field(default_factory=dict)
    provisional: bool = False

    def unidentified(self, event: Event) -> Unidentified:
        """Return what waits of an event."""
        return Unidentified(event, self.reason, self.given, self.found, self.checked, self.provisional)


class Asking:
    """Asks who a row is about, as a source's `identify` says."""

    def __init__(self, said: Verify, env: Environment, known: Known | None) -> None:
        self._said = said
        self._known = known or (lambda _: None)
        self._resident = env.resident
        self._id = Expression(said.id, env, said.place_of("id")) if said.id else None
        self._verify = {
            name: Expression(text, env, said.place_of("verify", name)) for name, text in said.verify.items()
        }

    @property
    def paths(self) -> frozenset[Path]:
        """Return the static paths its expressions read."""
        asked = [*self._verify.values(), *filter(None, (self._id,))]
        return frozenset(path for expression in asked for path in expression.paths)

    def ask(self, row: Mapping[str, Any], today: Callable[[], str]) -> Answer:
        """Return the answer; raises Malformed where the city sends what cannot be told to quarantine."""
        given = self._id.value(row, today) if self._id is not None else None
        number = "" if given is None or self._id is None else _text(given, self._id).strip()
        subject = self._subject(number)
        known = self._known(subject) if subject else None
        if subject is None or known is None:
            if self._said.unknown == "quarantine":
                raise refused("unknown", {}, self._said.place)
            return Answer(None, "unknown", number, provisional=self._said.unknown == "provisional")
        found = checked({name: each.value(row, today) for name, each in self._verify.items()}, known)
        if sum(how == AGREES for how in found.values()) >= self._said.need:
            return Answer(subject)
        if self._said.mismatch == "quarantine":
            raise refused("mismatch", found, self._said.place)
        return Answer(None, "mismatch", number, subject, found)

    def _subject(self, number: str) -> str | None:
        if not number or is_provisional(number):
            return None
        if self._said.system is None:
            return number
        return self._resident(self._said.system, number) if self._resident is not None else None


class Mapper:
    """Maps the rows of one source of one system, as one of its publications says; `city` is the city's name.

    Raises ExpressionError when an expression cannot be compiled. Usable from any thread.
    """

    def __init__(
        self,
        system: System,
        publication: Publication,
        source: Source,
        env: Environment,
        city: str,
        *,
        timezone: str = "Asia/Tokyo",
        known: Known | None = None,
    ) -> None:
        """Compile the mapping; `known` says what is known of a resident, for a source that asks who it is about."""
        self._system = system.system
        self._city = city
        self._zone = ZoneInfo(timezone)
        self._publication = publication
        roots = roots_of(source)
        self._subject = _optional(publication, "subject", env, roots)
        self._id = _optional(publication, "id", env, roots)
        self._sequence = _optional(publication, "sequence", env, roots)
        self._identity = _optional(source, "identity", env, roots)
        self._local_id = _optional(publication, "local_id", env, roots)
        self._local_form = re.compile(system.ids.pattern) if system.ids is not None and system.ids.pattern else None
        self._asking = Asking(source.identify, env, known) if source.identify is not None else None
        me = f"/systems/{system.system}"
        self._cases = [CaseMapper(case, publication, env, me, roots) for case in publication.cases]
        types = {case.event for other in system.publishes if other.source == publication.source for case in other.cases}
        self._many_types = len(types - {None}) > 1

    @property
    def paths(self) -> frozenset[Path]:
        """Return the static paths its expressions read."""
        own = (self._subject, self._id, self._sequence, self._identity, self._local_id)
        found = {path for expression in own if expression is not None for path in expression.paths}
        asked = self._asking.paths if self._asking is not None else frozenset()
        return frozenset(found.union(asked, *(case.paths for case in self._cases)))

    @property
    def needs(self) -> tuple[dict[str, str], ...]:
        """Return, for each case that makes an event, the columns it reads of every row, with the mapping's places."""
        own = [each for each in (self._subject, self._id or self._identity, self._sequence) if each is not None]
        shared = {name: place for expression in own for name, place in expression.columns.items()}
        return tuple({**shared, **case.columns} for case in self._cases if case.event is not None)

    @property
    def asks(self) -> bool:
        """Say whether it asks who rows are about."""
        return self._asking is not None

    def local_id(self, row: Mapping[str, Any], *, as_of_time: str) -> tuple[str, str] | None:
        """Return the system's own number that a row tells of a resident, `(number, subject)`, if it tells one.

        Raises Malformed (`local-id`) for a number that is not in the system's form.
        """
        if self._local_id is None or self._subject is None:
            return None
        today = self._day(as_of_time)
        number, subject = self._local_id.value(row, today), self._subject.value(row, today)
        if number in (None, "") or subject in (None, ""):
            return None
        text = _text(number, self._local_id)
        if self._local_form is not None and self._local_form.fullmatch(text) is None:
            raise self._local_id.refused(f"a number of {self._system} is not in the form of `ids.pattern`", "local-id")
        return text, _text(subject, self._subject)

    def _day(self, as_of_time: str) -> Callable[[], str]:
        def today() -> str:
            return datetime.fromisoformat(as_of_time).astimezone(self._zone).date().isoformat()

        return today

    def map(self, row: dict[str, Any], *, as_of_time: str) -> Event | Ignored | Unidentified:
        """Return the row's event, or why there is none, or that nobody knows whose it is.

        `as_of_time` (RFC 3339) is when the row was read: the event's `time`, and the day `lookup()` is asked for.
        Raises Malformed: `column`, `empty`, `no-case`, `expression`, a function's name, or as `event_from`.
        """
        today = self._day(as_of_time)
        cases, beside = self._cases, getattr(row, "beside", {})
        if beside.get("change") == "missing":  # a missing row is no move-out, unless a case says what it is
            cases = [each for each in cases if each.knows_missing]
        case = next((each for each in cases if each.applies(row, today)), None)
        if case is None:
            return self._otherwise() if cases else Ignored("no case names `change`, so none is for missing rows")
        if case.event is None:
            return Ignored(case.ignore or "")
        return self._event(case.event, case, row, as_of_time, today)

    def _otherwise(self) -> Ignored:
        if self._publication.otherwise == "ignore":
            return Ignored("no case fits the row")
        raise Malformed(
            "no case fits the row",
            place=self._publication.place_of("cases"),
            mend="add a case for it, or an `ignore` with its reason",
            code="no-case",
        )

    def _event(
        self, type_: str, case: CaseMapper, row: dict[str, Any], time: str, today: Callable[[], str]
    ) -> Event | Unidentified:
        if self._asking is not None:
            found = self._asking.ask(row, today)
            subject = found.subject or f"{PROVISIONAL}{self._system}"
            event = self._made(type_, case, row, (subject, time), today)
            return event if found.subject else found.unidentified(event)
        if self._subject is None:
            mend = "write `subject:`, or `identify:` at the source"
            raise Malformed("nothing says who the row is about", place=self._publication.place, mend=mend, code="empty")
        subject = _text(self._subject.needed(row, today, "the subject"), self._subject)
        if is_provisional(subject):
            raise self._subject.refused(f"a resident's number does not begin with {PROVISIONAL}", "subject")
        return self._made(type_, case, row, (subject, time), today)

    def _made(
        self, type_: str, case: CaseMapper, row: dict[str, Any], about: tuple[str, str], today: Callable[[], str]
    ) -> Event:
        subject, time = about
        event: dict[str, Any] = {
            "specversion": "1.0",
            "id": self._id_of(type_, row, today),
            "type": type_,
            "subject": subject,
            "data": case.data(row, subject, today),
        }
        if self._sequence is not None:
            event["sequence"] = _whole(self._sequence.needed(row, today, "the sequence"), self._sequence)
        try:
            return event_from(event, city=self._city, system=self._system, now=time)
        except Malformed as error:
            error.place = error.place or self._publication.place
            raise

    def _id_of(self, type_: str, row: dict[str, Any], today: Callable[[], str]) -> str:
        """Return the event's id: its own, or made of what makes the report the same report (contract.md, Ids)."""
        if self._id is not None:
            return _text(self._id.needed(row, today, "the id"), self._id)
        values: Any = row.identity if isinstance(row, Difference) else _whole_row(row)
        if self._identity is not None:
            values = self._identity.needed(row, today, "the identity")
            values = values if isinstance(values, list) else [values]
            if all(value == "" for value in values):
                raise self._identity.refused("nothing tells this report from others: the identity is empty", "identity")
        if self._many_types:
            values = [*(values if isinstance(values, list) else [values]), type_]
        return identity(self._system, values)


def _optional(model: Publication | Source, key: str, env: Environment, roots: frozenset[str]) -> Expression | None:
    text = getattr(model, key)
    return Expression(text, env, model.place_of(key), roots) if text else None


def _whole_row(row: dict[str, Any]) -> dict[str, Any]:
    try:
        return {str(name): plain(value) for name, value in row.items()}
    except ValueError as error:
        raise Malformed(f"no id can be made of the row: a value {error}", code="identity") from None


def _text(value: Any, expression: Expression) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise expression.refused("it gives neither a text nor a whole number", "expression")


def _whole(value: Any, expression: Expression) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise expression.refused("a sequence is a whole number", "expression")
