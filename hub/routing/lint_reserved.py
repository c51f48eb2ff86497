"""Settings that are accepted and have no effect yet: `hub check` says so rather than let anybody rely on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.routing.lint_expressions import Notes
    from hub.settings.models import Model, System


def check(notes: Notes, system: System) -> None:
    """Warn of each reserved setting of a system, at its place."""
    for model, key, meanwhile in _reserved(system):
        notes.warning(model.place_of(key), f"`{key}` has no effect: not yet", meanwhile, "not-yet")


def _reserved(system: System) -> Iterator[tuple[Model, str, str]]:
    if system.ids is not None:
        yield system, "ids", "until then the receiver gets the city's own number"
    if system.text:
        yield system, "text", "until then write `encoding:` at the source and the receiver"
    yield from _of_sources(system)
    for rule in system.subscribes:
        if rule.unidentified:
            yield rule, "unidentified", "until then every event has a subject"


def _of_sources(system: System) -> Iterator[tuple[Model, str, str]]:
    for source in system.sources.values():
        if source.identify is not None:
            yield source, "identify", "until then give `subject:` an expression"
        if source.text:
            yield source, "text", "until then write `encoding:`"
