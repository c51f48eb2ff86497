"""Sources in `mode: snapshot` under lint: they can be compared, and what they are to publish has a mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.routing.lint_expressions import Notes
    from hub.settings.models import Source, System

ON = ("on_change", "on_new", "on_missing")


def check(notes: Notes, system: System) -> None:
    """Note every problem of a system's full extracts."""
    for source in system.sources.values():
        if source.mode == "snapshot":
            _check(notes, system, source)


def _check(notes: Notes, system: System, source: Source) -> None:
    place = source.place_of("mode")
    if source.key is None:
        notes.error(place, "`mode: snapshot` needs `key`: which row is which", "write `key: row.…`", "key-missing")
    if not source.compare:
        mend = "write `compare: [column, …]`"
        notes.error(place, "`mode: snapshot` needs `compare`: which columns count", mend, "key-missing")
    twice = sorted({name for name in source.compare if source.compare.count(name) > 1})
    if twice:
        message = f"`compare` names {twice[0]} twice"
        notes.error(source.place_of("compare"), message, "name each column once", "key-twice")
    cases = [case for each in system.publishes if each.source == source.name for case in each.cases]
    for key in ON:
        if getattr(source, key) == "publish" and not any(case.event for case in cases):
            mend = f"add to `publishes` an entry with `from: {source.name}`, or write `{key}: report`"
            notes.error(
                source.place_of(key), f"`{key}: publish`, but nothing maps the rows to events", mend, "snapshot"
            )
    named = any("change" in (case.when or "") for case in cases)
    if source.on_missing == "publish" and cases and not named:
        message = "`on_missing: publish`, but no case says what a missing row means"
        mend = 'a missing row is no move-out: add a case with `when: change == "missing"`, or write `review`'
        notes.error(source.place_of("on_missing"), message, mend, "snapshot")
    _told_by_nobody(notes, system, source)
    shared = system.sources.get(source.shares_state_with or "")
    if shared is not None and shared.mode == "snapshot":
        message = f"`{shared.name}` is a full extract itself"
        mend = "name the source of the differences"
        notes.error(source.place_of("shares_state_with"), message, mend, "snapshot")


def _told_by_nobody(notes: Notes, system: System, source: Source) -> None:
    """Note what a full extract cannot do: ask who a row is about, or teach the system's own numbers."""
    if source.identify is not None:
        message = "a full extract is what the system itself knows: it cannot ask who a row is about (`identify`)"
        notes.error(source.place_of("identify"), message, "leave it out, and write `subject: row.…`", "snapshot")
    for publication in system.publishes:
        if publication.source == source.name and publication.local_id is not None:
            message = "`local_id` is not learned from a full extract"
            mend = "write it at a source of changes, load it once, or name a table: `ids: {table: tables/NAME.csv}`"
            notes.error(publication.place_of("local_id"), message, mend, "snapshot")
