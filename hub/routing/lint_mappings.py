"""Sources and publications under lint: rows become whole events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.events.catalogue import TYPES
from hub.routing import lint_rows
from hub.routing.lint_expressions import Notes, Text
from hub.routing.lint_receivers import DELIVERED
from hub.routing.lint_rows import Rows
from hub.routing.mapping import ROOTS
from hub.routing.shapes import meant

if TYPE_CHECKING:
    from hub.settings.models import Case, Publication, Source, System

TARGETS = ({"event_id"}, {"sequence"}, {"subject", "sequence"}, {"identity"}, {"source", "identity"})


class MappingLint:
    """Checks what one system publishes."""

    def __init__(self, notes: Notes, system: System) -> None:
        self.notes = notes
        self.system = system

    def check(self) -> None:
        """Note every problem of the system's sources and publications."""
        for source in self.system.sources.values():
            self._source(source)
        for publication in self.system.publishes:
            self._publication(publication)

    def _row(self, text: str | None, place: str, what: str, rows: Rows) -> None:
        if text is None or text == "":
            return
        expression = Text(text, place, what)
        if lint_rows.check(self.notes, expression, rows):
            self.notes.sized_texts(expression)

    def _source(self, source: Source) -> None:
        rows = Rows.of(source, self.notes.city)
        plain = rows._replace(roots=ROOTS)
        self._row(source.identity, source.place_of("identity"), "`identity`", rows)
        self._row(source.key, source.place_of("key"), "`key`", plain)
        for index, name in enumerate(source.compare):
            lint_rows.column(self.notes, source.place_of("compare", index), "`compare`: ", name, rows)
        for name, text in source.reconcile.items():
            self.notes.compiled(Text(text, source.place_of("reconcile", name), f"`reconcile: {name}`"), DELIVERED)
        self._row(source.as_of, source.place_of("as_of"), "`as_of`", rows._replace(roots=ROOTS | {"batch"}))
        if source.guard is not None:
            for type_ in source.guard.per_event:
                self._type(type_, source.guard.place_of("per_event", type_))
        if source.identify is not None:
            asked = source.identify
            self._row(asked.id, asked.place_of("id"), "`id`", plain)
            for name, text in asked.verify.items():
                self._row(text, asked.place_of("verify", name), f"`verify: {name}`", plain)
            if asked.system is not None and asked.system not in self.notes.city.systems:
                mend = meant(asked.system, self.notes.city.systems)
                self.notes.error(
                    asked.place_of("system"), f"there is no system `{asked.system}`", mend, "system-unknown"
                )

    def _type(self, type_: str, place: str) -> bool:
        if type_ not in TYPES:
            self.notes.error(place, f"there is no event type `{type_}`", meant(type_, TYPES), "type-unknown")
        return type_ in TYPES

    def _publication(self, publication: Publication) -> None:
        if publication.source not in self.system.sources:
            mend = meant(publication.source, self.system.sources)
            place = publication.place_of("from")
            self.notes.error(place, f"there is no source `{publication.source}`", mend, "source-unknown")
        source = self.system.sources.get(publication.source)
        rows = Rows() if source is None else Rows.of(source, self.notes.city)
        for key in ("subject", "sequence"):  # of a full extract also asked of rows that do not differ
            self._row(getattr(publication, key), publication.place_of(key), f"`{key}`", rows._replace(roots=ROOTS))
        for key in ("id", "local_id"):
            self._row(getattr(publication, key), publication.place_of(key), f"`{key}`", rows)
        types = [case.event for case in publication.cases if case.event in TYPES]
        open_ended = any(case.event == "event.corrected" for case in publication.cases)
        for name, text in publication.defaults.items():
            place = publication.place_of("defaults", name)
            self._row(text, place, f"`defaults: {name}`", rows)
            if types and not open_ended and not any(name in TYPES[type_].fields for type_ in types if type_):
                mend = meant(name, {field for type_ in types if type_ for field in TYPES[type_].fields})
                self.notes.error(place, f"no event type of these cases has a field `{name}`", mend, "field-unknown")
        for case in publication.cases:
            self._case(case, publication, rows)
        self._reachable(publication)

    def _reachable(self, publication: Publication) -> None:
        """Note a case behind one that takes every row."""
        taking = [case for case in publication.cases[:-1] if case.when is None]
        for case in taking[:1]:
            after = publication.cases[publication.cases.index(case) + 1]
            message = f"no row comes to this case or those after it: the one at {case.place} has no `when`"
            self.notes.warning(after.place, message, "put the case without `when` last, or give it one", "shadowed")

    def _case(self, case: Case, publication: Publication, rows: Rows) -> None:
        self._row(case.when, case.place_of("when"), "`when`", rows)
        for name, text in case.map.items():
            self._row(text, case.place_of("map", name), f"`map: {name}`", rows)
        for key, target in (("cancels", case.cancels), ("corrects", case.corrects)):
            for name, text in (target or {}).items():
                self._row(text, case.place_of(key, name), f"`{key}: {name}`", rows)
        if case.event is None or not self._type(case.event, case.place_of("event")):
            return
        self._target(case)
        if case.event == "event.corrected":
            return  # `map` gives the whole right payload, of the target's type
        fields = TYPES[case.event].fields
        for name in case.map:
            if name not in fields:
                place = case.place_of("map", name)
                self.notes.error(place, f"`{case.event}` has no field `{name}`", meant(name, fields), "field-unknown")
        given = {*case.map, *publication.defaults}
        lacking = [name for name, field in fields.items() if not field.optional and name not in given]
        if lacking:
            message = f"`{case.event}` needs {', '.join(f'`{name}`' for name in lacking)}, which nothing maps"
            mend = f"add to `map`: {lacking[0]}: row.…"
            self.notes.error(case.place_of("event"), message, mend, "field-missing")

    def _target(self, case: Case) -> None:
        """Check that a cancellation or correction names its target, in one way, and nothing else does."""
        for event, key in (("event.cancelled", "cancels"), ("event.corrected", "corrects")):
            target: dict[str, str] | None = getattr(case, key)
            if target is not None and case.event != event:
                message = f"`{key}` belongs to `{event}`, not to `{case.event}`"
                self.notes.error(case.place_of(key), message, f"write `event: {event}`, or remove it", "target")
            elif case.event == event and (set(target or {}) - {"reason"}) not in TARGETS:
                message = f"`{event}` must name its target in exactly one way"
                mend = f"write `{key}: {{event_id: …}}`, `{{sequence: …}}` or `{{source: …, identity: …}}`"
                self.notes.error(case.place_of(key), message, mend, "target")
