"""Runs the kit on any adapter that is installed, or that stands in a folder: under pytest and without it.

What an adapter is tried on it says itself: the entry point of its name in the group `hub.conformance` is a sequence of
factories, each of which takes an empty folder and returns a `SourceCase`, a `SinkCase` or a `PreparedCase`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hub.adapters import registry
from hub.adapters.conformance.cases import Failure, PreparedCase, SinkCase, SourceCase
from hub.adapters.conformance.declared import DECLARED_CHECKS
from hub.adapters.conformance.prepared import PREPARED_CHECKS
from hub.adapters.conformance.sinks import SINK_CHECKS
from hub.adapters.conformance.sources import SOURCE_CHECKS

Case = SourceCase | SinkCase
Factory = Callable[[Path], Case]


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one adapter: `case` is empty for what needs no system; `run` raises `Failure`."""

    adapter: str
    case: str
    name: str
    run: Callable[[], None]
    means: str = ""

    @property
    def id(self) -> str:
        """Return `case-check`, or the check."""
        return f"{self.case}-{self.name}" if self.case else self.name


def checks(adapter: str) -> Iterator[Check]:
    """Yield every check of an adapter; raises `ConfigurationError` for one that is not installed."""
    found = registry.find(adapter)
    for check in DECLARED_CHECKS:
        yield Check(adapter, "", check.__name__, partial(_told, check, found), inspect.getdoc(check) or "")
    for number, factory in enumerate(registry.cases(adapter), 1):
        label = f"{number}.{_label(factory)}"
        with TemporaryDirectory(prefix="hub-") as folder:
            case = factory(Path(folder))
            case.close()
            kinds = checks_of(case)
        for each in kinds:
            yield Check(adapter, label, each.__name__, partial(run, factory, each), inspect.getdoc(each) or "")


def checks_of(case: Case) -> Sequence[Callable[[Any], Awaitable[None] | None]]:
    """Return the checks that a case is for."""
    if isinstance(case, SourceCase):
        return SOURCE_CHECKS
    return (*SINK_CHECKS, *PREPARED_CHECKS) if isinstance(case, PreparedCase) else SINK_CHECKS


def run(factory: Factory, check: Callable[[Any], Awaitable[None] | None]) -> None:
    """Run one check on a fresh case in an empty folder; raises `Failure`, also for whatever else is raised."""
    with TemporaryDirectory(prefix="hub-") as folder:
        case = factory(Path(folder))
        try:
            _told(check, case)
        finally:
            case.close()


def _told(check: Callable[[Any], Awaitable[None] | None], subject: Any) -> None:
    try:
        done = check(subject)
        if inspect.isawaitable(done):
            asyncio.run(_awaited(done))
    except Failure:
        raise
    except Exception as error:
        raise Failure(f"{type(error).__name__}: {error}") from error


async def _awaited(done: Awaitable[None]) -> None:
    await done


def _label(factory: Any) -> str:
    inner = factory.func if isinstance(factory, partial) else factory
    words = [*(str(value) for value in factory.keywords.values())] if isinstance(factory, partial) else []
    return "-".join([str(inner.__name__), *words])
