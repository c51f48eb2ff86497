"""What receivers' adapters compile of their settings, and what keeps them from being opened."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hub.errors import ConfigurationError, HubError, Problem

if TYPE_CHECKING:
    from hub.routing.lint_receivers import Written
    from hub.settings.models import City, Receiver

OF_THE_MACHINE = frozenset({"font", "not-installed"})  # another machine may have what this one lacks


def tried(receiver: Receiver, city: City) -> tuple[list[Written], list[Problem]]:
    """Return every expression of a receiver, its layout and its template, and why its adapter cannot be opened.

    The adapter is opened as it would be to deliver, which writes nothing and calls nobody; what only a service or this
    machine says is left to `hub run` and `hub morning`.
    """
    from hub.adapters import registry
    from hub.adapters.contract import Expressions
    from hub.app import site_of

    written: list[Written] = []

    def compile_(text: str, place: str = "") -> Any:
        written.append((text, place))
        return lambda _delivery, _batch: None

    site = site_of(city, receiver.system, receiver.name)
    try:
        registry.open_sink(receiver.adapter, receiver.options, site, Expressions(compile_), place=receiver.place_of)
    except ConfigurationError as error:
        return written, [_placed(problem, receiver) for problem in error.problems]
    except (HubError, ImportError, OSError):
        pass
    except Exception as error:  # noqa: BLE001 - whatever a package raises; its words may quote a secret
        message = f"`{receiver.key}` cannot be opened: `{receiver.adapter}` fails with {type(error).__name__}"
        mend = f"look at its settings: hub adapters show {receiver.adapter}"
        return written, [Problem(receiver.place, message, mend, code="adapter-setting", level="warning")]
    return written, []


def _placed(problem: Problem, receiver: Receiver) -> Problem:
    level = "warning" if problem.code in OF_THE_MACHINE else problem.level
    return replace(problem, level=level, place=problem.place if "." in problem.place else receiver.place)
