"""Under lint: who a record is about, a system's own numbers and characters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hub.routing.expressions import Environment, ExpressionError, compile_expression
from hub.routing.identity import FACTS
from hub.routing.rules import numbers_needed
from hub.routing.shapes import meant
from hub.settings.gaiji import glyphs

if TYPE_CHECKING:
    from hub.routing.lint_expressions import Notes
    from hub.settings.models import Characters, Ids, Source, System, Verify

SHOWN = 20  # wrong lines of a table
UNASKED = "people type what `{name}` brings, and nothing asks who it is about: a mistyped number is another person"
MEND = "write `identify: {id: row.…, verify: {kana: row.…, birth_date: wareki(row.…)}}`"


def check(notes: Notes, system: System) -> None:
    """Note what is wrong with a system's `identify`, `ids` and `text`."""
    for source in system.sources.values():
        if source.identify is not None:
            _verify(notes, system, source, source.identify)
        elif source.typed:
            place = source.place_of("typed")
            notes.error(place, UNASKED.format(name=source.name), MEND, "identify-missing")
        if source.text is not None:
            _characters(notes, source.text)
    if system.ids is not None:
        _ids(notes, system, system.ids)
    _learning(notes, system)
    if system.text is not None:
        _characters(notes, system.text)


def _verify(notes: Notes, system: System, source: Source, said: Verify) -> None:
    if said.id is None:
        notes.error(said.place, "`identify` needs `id`", "write `id: row.…`, the number that was given", "key-missing")
    for name in said.verify:
        if name not in FACTS:
            place = said.place_of("verify", name)
            notes.error(place, f"`{name}` is no fact to hold a record against", meant(name, FACTS), "fact-unknown")
    if len(said.verify) < said.need:
        message = f"`need` is {said.need}, and `verify` names {len(said.verify)} facts: nobody would ever be identified"
        mend = "name more facts under `verify`, or lower `need`"
        notes.error(said.place_of("need"), message, mend, "identify-need")
    asked = notes.city.systems.get(said.system) if said.system is not None else None
    if asked is not None and asked.ids is None:
        message = f"`{said.system}` has no `ids`: its numbers are not known"
        notes.error(said.place_of("system"), message, f"write `ids:` in systems/{said.system}.yaml", "ids-missing")
    for publication in system.publishes:
        if publication.source == source.name and publication.subject:
            message = "`subject` has no effect: the source asks who each row is about (`identify`)"
            notes.warning(publication.place_of("subject"), message, "remove it", "subject-unused")


def _ids(notes: Notes, system: System, said: Ids) -> None:
    try:
        re.compile(said.pattern)
    except re.error as error:
        notes.error(said.place_of("pattern"), f"`pattern` cannot be read: {error}", "write [0-9]{10}", "pattern")
    if said.table is not None and said.table not in notes.city.tables:
        place = said.place_of("table")
        notes.error(
            place, f"there is no table `tables/{said.table}.csv`", meant(said.table, notes.city.tables), "table"
        )
    for rule in system.subscribes:
        for item in rule.send:
            for name, text in item.items() if isinstance(item, dict) else ():
                if numbers_needed(system, text) and _mixes(text):
                    place = rule.place_of("send")
                    message = (
                        f"`{name}` puts the system's number together with facts: it cannot be made once it is known"
                    )
                    notes.error(place, message, "send the number as a field of its own", "local-id-mixed")


def _learning(notes: Notes, system: System) -> None:
    for publication in system.publishes:
        if publication.local_id is None:
            continue
        place = publication.place_of("local_id")
        if system.ids is None:
            mend = "write `ids: {name: …}` at the system"
            notes.error(place, "`local_id` teaches numbers of a system that has no `ids`", mend, "ids-missing")
        if not publication.subject:
            mend = "write `subject: row.…`"
            notes.error(
                place, "`local_id` says whose number it is by `subject`, and there is none", mend, "key-missing"
            )


def _mixes(text: str) -> bool:
    roots = {"event", "data", "subject", "facts", "after"}
    env = Environment({}, lambda *_: None, lambda *_: None)
    try:
        return bool(compile_expression(text, roots=roots, env=env).names & {"facts", "after"})
    except ExpressionError:
        return False


def _characters(notes: Notes, said: Characters) -> None:
    for key, name in said.tables.items():
        if name not in notes.city.tables:
            place = said.place_of(key)
            notes.error(place, f"there is no table `tables/{name}.csv`", meant(name, notes.city.tables), "table")
    wrong = glyphs(said, notes.city.tables).wrong
    for row, message, mend in wrong[:SHOWN]:
        notes.error(row.place, message, mend, "gaiji")
    if len(wrong) > SHOWN:
        notes.error(said.place, f"{len(wrong) - SHOWN} more lines of its tables are wrong", "", "gaiji")
