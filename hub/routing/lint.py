"""What `hub check` finds in a city that could be read: what does not exist, cannot happen, or should be looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from hub.events.catalogue import TYPES
from hub.routing import lint_extracts, lint_identity, lint_places, lint_receivers, lint_rows, lint_tables
from hub.routing.lint_expressions import Notes, Text
from hub.routing.lint_mappings import MappingLint
from hub.routing.lint_receivers import Written
from hub.routing.lint_rows import Rows, columns_of
from hub.routing.lint_rules import RuleLint
from hub.routing.shapes import meant
from hub.settings.load import in_order
from hub.settings.spots import texts_in

if TYPE_CHECKING:
    from hub.errors import Problem
    from hub.settings.models import City, Model, System

_SECRET_KEY = re.compile(
    r"(?:password|passwd|passphrase|pwd|token|secret|(?:api|private|secret)[._-]?key|authorization|cookie)$"
)
_SECRET_URL = re.compile(
    r"://[^/?#\s:@]*:[^/?#\s@{]+@|[?&](?:password|passwd|token|secret|api[_-]?key|sig)=[^&#\s{]+", re.IGNORECASE
)


IN_PLAIN_TEXT = "write env:NAME or file:PATH as the value of `{key}`, and change the secret: it has been in a file"
EXPRESSIONS = ("columns", "key", "on_cancel")  # options of sinks that map a column to an expression
NOTHING: Mapping[str, Iterable[Written]] = {}


def check(city: City, delivered: Mapping[str, Iterable[Written]] = NOTHING) -> list[Problem]:
    """Return every problem of the city's rules, mappings and names, in the files' order.

    `delivered` are the expressions that each receiver's adapter compiles, by the receiver's key (`hub.cli.opening`).
    Errors keep the city from running, warnings do not (contract.md, `hub check`). Places are exact where the city was
    read from its folder.
    """
    notes = Notes(city)
    published = frozenset(
        case.event for system in city.systems.values() for each in system.publishes for case in each.cases if case.event
    )
    _check_city(notes, city)
    for system in city.systems.values():
        MappingLint(notes, system).check()
        RuleLint(notes, system, published).check()
        lint_extracts.check(notes, system)
        lint_identity.check(notes, system)
        for receiver in system.receives.values():
            lint_receivers.check(notes, system, receiver, delivered.get(receiver.key, ()))
        if not system.publishes and not system.subscribes and not _brings_protection(city, system.system):
            message = f"the system `{system.system}` neither publishes nor subscribes"
            notes.warning(system.place, message, "write `publishes:` or `subscribes:`, or remove the file", "idle")
        _check_answers(notes, system)
        _check_secrets(notes, city, system.system)
    lint_places.check(notes)
    lint_tables.check(notes)
    return in_order(notes.problems)


def _check_answers(notes: Notes, system: System) -> None:
    """Note what is wrong with the expressions that tie acknowledgements to deliveries."""
    for receiver in system.receives.values():
        if receiver.acknowledged is not None:
            _secrets_in(notes, receiver.acknowledged, {"from": receiver.acknowledged.from_})
            said = receiver.acknowledged
            rows = Rows(columns=columns_of(said.from_, notes.city))
            for key, text in said.match.items():
                lint_rows.check(notes, Text(text, said.place_of("match", key), "`match`"), rows)
            others = {"taken": rows, "error": rows, "warning": rows, "about": Rows(frozenset({"file"}))}
            for key, seen in others.items():
                if (of := getattr(said, key)) is not None:
                    lint_rows.check(notes, Text(of, said.place_of(key), f"`{key}`"), seen)


def _brings_protection(city: City, system: str) -> bool:
    return city.protection is not None and (city.protection.list_ or "").partition(".")[0] == system


def _check_city(notes: Notes, city: City) -> None:
    for pattern, systems in city.authority.items():
        if not any(fnmatchcase(type_, pattern) for type_ in TYPES):
            place = city.place_of("authority", pattern)
            notes.error(place, f"there is no event type `{pattern}`", meant(pattern, TYPES), "type-unknown")
        for index, system in enumerate(systems):
            if system not in city.systems:
                place = city.place_of("authority", pattern, index)
                notes.error(place, f"there is no system `{system}`", meant(system, city.systems), "system-unknown")
    _check_list(notes, city)
    _secrets_in(notes, city, {"alerts": city.alerts.model_dump(by_alias=True)})


def _check_list(notes: Notes, city: City) -> None:
    """Note a list of protected residents that nobody will ever read: everything would wait for it."""
    if city.protection is None or city.protection.list_ is None:
        return
    sources = {
        f"{name}.{key}": source for name, system in city.systems.items() for key, source in system.sources.items()
    }
    listed, place = city.protection.list_, city.protection.place_of("list")
    if listed not in sources:
        mend = meant(listed, sources) or "name a source as system.source"
        notes.error(place, f"there is no source `{listed}`", mend, "source-unknown")
    elif sources[listed].mode == "snapshot":
        message = (
            f"the list of protected residents, `{listed}`, is a `mode: snapshot` source: it tells differences alone"
        )
        mend = "name a source with `mode: changes`; without one leave `list` out, and events alone protect"
        notes.error(place, message, mend, "snapshot")


def _check_secrets(notes: Notes, city: City, name: str) -> None:
    system = city.systems[name]
    for source in system.sources.values():
        _secrets_in(notes, source, source.options)
    for receiver in system.receives.values():
        options = {key: value for key, value in receiver.options.items() if key not in EXPRESSIONS}
        _secrets_in(notes, receiver, options)


def _secrets_in(notes: Notes, model: Model, options: Mapping[str, Any]) -> None:
    for path, value in texts_in(options):
        key = next(str(step) for step in reversed(path) if isinstance(step, str))
        found = _SECRET_URL.search(value)
        if found is None and not (value and _SECRET_KEY.search(key.lower())):
            continue
        what = f"the address in `{key}` holds a password" if found else f"`{key}` is a secret in plain text"
        notes.error(model.place_of(*path), what, IN_PLAIN_TEXT.format(key=key), "secret")
