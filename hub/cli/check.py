"""`hub check`: what is wrong with the city's files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import output
from hub.cli.codes import in_words
from hub.cli.failure import problem_json
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import ConfigurationError, Problem

UNCONFIRMED = "because-unconfirmed"

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hub.adapters.contract import AdapterSettings
    from hub.routing.lint_receivers import Written
    from hub.settings.models import City, Receiver, Source


def check(
    session: Session,
    strict: Annotated[bool, typer.Option("--strict", help=word("option.strict"))] = False,
    watch: Annotated[bool, typer.Option("--watch", help=word("option.watch"))] = False,
) -> int:
    """Find what is wrong."""
    if watch:
        from hub.cli.watching import again_and_again

        return again_and_again(session, lambda: _once(session, strict=strict))
    return _once(session, strict=strict)


def _once(session: Session, *, strict: bool) -> int:
    problems = findings(session)
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors

    def for_people() -> None:
        counted = Counter() if session.verbose else Counter(p.place.partition(":")[0] for p in problems if wanting(p))
        for problem in problems:
            if session.verbose or not wanting(problem):
                output.line(_line(problem))
        for file, count in counted.items():
            output.line(word("check.wanting", file=file, count=count))
        counts = word("check.counts", errors=errors, warnings=warnings)
        output.line(counts if problems else word("check.clean"))

    items = [problem_json(problem) for problem in problems]
    session.answer({"items": items, "next": None, "errors": errors, "warnings": warnings}, for_people)
    return 2 if errors else int(bool(warnings) and strict)


def _line(problem: Problem) -> str:
    return said(problem) if problem.level == "error" else word("check.warning", problem=said(problem))


def said(problem: Problem) -> str:
    """Return a problem in the language of the commands: its place, what it is, the mend."""
    return str(replace(problem, message=in_words(problem.code, problem.message)))


def wanting(problem: Problem) -> bool:
    """Tell whether a problem is a provision still to be confirmed: others drown in the many there are."""
    return problem.code == UNCONFIRMED


def findings(session: Session) -> list[Problem]:
    """Return every problem of the city: of its files, its adapters' settings, its rules, its tests."""
    from hub.routing.ruletest import problems_of_tests

    try:
        city = session.city()
    except ConfigurationError as error:
        return error.problems
    problems = problems_of(city)
    can_run = all(problem.level != "error" for problem in problems)
    tests = problems_of_tests(city) if can_run else []
    return [*problems, *(replace(problem, level="warning") for problem in tests)]  # the city runs all the same


def problems_of(city: City) -> list[Problem]:
    """Return what is wrong with a city whose files can be read."""
    from hub.routing import lint

    problems, delivered = adapter_problems(city)
    return list(dict.fromkeys([*problems, *lint.check(city, delivered)]))


def refuse_broken(session: Session) -> City:
    """Return the city; raises ConfigurationError with its errors when it cannot run (contract.md, `hub check`)."""
    city = session.city()
    errors = [problem for problem in problems_of(city) if problem.level == "error"]
    if errors:
        raise ConfigurationError(errors)
    return city


def adapter_problems(city: City) -> tuple[list[Problem], dict[str, list[Written]]]:
    """Return what is wrong with the settings of sources and receivers, as their adapters see them.

    With it, by receiver, the expressions its adapter compiles.
    """
    from hub.adapters import registry
    from hub.cli.opening import tried
    from hub.settings.models import Receiver

    problems: list[Problem] = []
    delivered: dict[str, list[Written]] = {}
    parts: list[tuple[Source | Receiver, str]]
    parts = [(each, "source") for system in city.systems.values() for each in system.sources.values()]
    parts += [(each, "sink") for each in city.receivers()]
    for part, side in parts:
        try:
            checked = registry.settings(part.adapter, side, part.options, place=part.place_of, layouts=city.layouts)
        except ConfigurationError as error:
            problems += error.problems
            continue
        problems += _in_plain_text(checked, part.options, part.place_of)
        if not isinstance(part, Receiver):
            problems += [_unguarded(part)] if _is_called(part) else []
            problems += _unasked(part)
            continue
        problems += _unconfirmed(part, asks=registry.find(part.adapter).features.confirms)
        problems += _unread(part, city)
        delivered[part.key], found = tried(part, city)
        problems += found
    return problems, delivered


def _unread(receiver: Receiver, city: City) -> list[Problem]:
    """Return what is wrong with the source of a receiver's answers, as its adapter sees it."""
    from hub.adapters import registry

    said = receiver.acknowledged
    if said is None or "adapter" not in said.from_:
        return []
    place = said.place_of("from")
    options = {name: value for name, value in said.from_.items() if name != "adapter"}
    try:
        checked = registry.settings(str(said.from_["adapter"]), "source", options, place=place, layouts=city.layouts)
    except ConfigurationError as error:
        return error.problems
    return _in_plain_text(checked, options, partial(said.place_of, "from"))


def _in_plain_text(checked: AdapterSettings, options: Mapping[str, Any], place: Callable[..., str]) -> list[Problem]:
    """Return the problem of each setting that is a secret and stands in the file itself."""
    from hub.adapters.unhidden import unhidden
    from hub.routing.lint import IN_PLAIN_TEXT

    return [
        Problem(
            place(*path), f"`{path[-1]}` is a secret in plain text", IN_PLAIN_TEXT.format(key=path[-1]), code="secret"
        )
        for path in unhidden(type(checked), options)
    ]


def _unasked(source: Source) -> list[Problem]:
    """Return the problem of a source that people type, and that asks nobody who its records are about."""
    from hub.adapters import registry
    from hub.routing import lint_identity

    typed = registry.find(source.adapter).features.typed
    if source.identify is not None or source.typed is not None or not typed:
        return []
    message = lint_identity.UNASKED.format(name=source.name)
    return [Problem(source.place, message, lint_identity.MEND, code="identify-missing")]


def _unconfirmed(receiver: Receiver, *, asks: bool) -> list[Problem]:
    """Return the problem of a receiver whose confirmations cannot come."""
    waits, said = receiver.order_until == "confirmed", receiver.acknowledged
    silent = said is not None and said.lists == "errors" and said.error is None and said.taken is None
    if said is not None and silent and "path" not in said.from_:
        message = (
            f"the answers of `{receiver.key}` come in no files, so no list of errors ever ends and none is confirmed"
        )
        mend = "write `lists: all`, with `error:` where a row may be a refusal, or `taken:`"
        level = "error" if waits else "warning"
        return [Problem(said.place_of("from"), message, mend, level, code="silence")]
    if not waits or said is not None or asks:
        return []
    message = f"`{receiver.key}` waits for confirmations, and nothing brings any: each resident is told one thing only"
    mend = "write `acknowledged:`, how the system's answer comes back, or leave `order_until` out"
    return [Problem(receiver.place_of("order_until"), message, mend, code="never-confirmed")]


def _is_called(source: Any) -> bool:
    return source.guard is not None and "webhook" in source.options


def _unguarded(source: Any) -> Problem:
    """Say that a guard does not stand before calls, each of which is answered at once."""
    message = f"the source `{source.name}` is called, and a guard does not stand before calls"
    return Problem(source.place_of("guard"), message, "leave `guard` out", code="adapter-setting")
