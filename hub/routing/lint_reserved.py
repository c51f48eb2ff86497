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
    yield from _of_sources(system)
    for receiver in system.receives.values():
        if receiver.order_until == "confirmed":
            yield receiver, "order_until", "until then order is kept until `delivered`"


def _of_sources(system: System) -> Iterator[tuple[Model, str, str]]:
    for source in system.sources.values():
        if source.mode == "snapshot":
            yield source, "mode", "until then the full extract is not read"
