"""`hub adapters try`: a sample through a system's file, without Kafka, ledger or anything published."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import output
from hub.cli.codes import in_words
from hub.cli.language import lang
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.settings.models import City, Source
    from hub.stages.trial import Tried

KINDS = ("event", "repeat", "ignored", "error")


def attempt(
    session: Session,
    system: Annotated[Path, typer.Argument(metavar="SYSTEM", help=word("option.system-file"))],
    sample: Annotated[Path, typer.Option("--sample", metavar="FILE", help=word("option.try-sample"))],
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help=word("option.try-source"))] = None,
    facts: Annotated[Path | None, typer.Option("--facts", metavar="FILE", help=word("option.try-facts"))] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, metavar="N", help=word("option.try-limit"))] = 20,
    watch: Annotated[bool, typer.Option("--watch", help=word("option.watch"))] = False,
) -> int:
    """Say of every row what event it makes and who would be told what, or why it makes none."""
    session, name = city_of(session, system)

    def once() -> int:
        return _once(session, name, sample, source, facts, limit)

    if watch:
        from hub.cli.watching import again_and_again

        return again_and_again(session, once, also=[sample, *([facts] if facts else [])])
    return once()


def city_of(session: Session, system: Path) -> tuple[Session, str]:
    """Return the session of the city a system's file stands in, and the system's name: its path or the bare name."""
    if not session.named and system.resolve().parent.name == "systems" and system.is_file():
        return replace(session, folder=system.resolve().parent.parent), system.stem
    return session, system.stem


def _once(session: Session, name: str, sample: Path, source: str | None, facts: Path | None, limit: int) -> int:
    from hub.app import on_trial
    from hub.stages.clock import timestamp, utc_now

    if not sample.is_file():
        raise UsageError(f"there is no file {sample}", mend="name a file as the system writes it")
    city = session.city()
    chosen = chosen_source(city, name, sample, source)
    _refuse_broken(city, name)
    opened, trial = on_trial(city, city.systems[name], chosen, sample.resolve(), now=timestamp(utc_now()), lang=lang())
    trial.facts = given_facts(facts) if facts is not None else {}
    counts: Counter[str] = Counter()
    shown: list[Tried] = []
    for tried in trial.run(row for batch in opened.read(None) for row in batch.rows):
        counts[tried.kind] += 1
        if tried.kind == "error" or len(shown) - counts["error"] < limit:
            shown.append(tried)
    if not counts and sample.stat().st_size:
        raise UsageError(f"nothing was read of {sample}", mend="give it a plain name: not hidden, no `*`, `?` or `[`")
    encoding = str(chosen.options.get("encoding", "utf-8"))
    answer: dict[str, Any] = {
        "source": f"{name}.{chosen.name}",
        "adapter": chosen.adapter,
        "sample": str(sample),
        "items": [{**each.as_dict(), "raw": _raw(each, encoding)} for each in shown],
        "next": None,
        "counts": {kind: counts[kind] for kind in KINDS},
    }
    session.answer(answer, lambda: _write(answer, shown, encoding))
    return int(bool(counts["error"]))


def chosen_source(city: City, name: str, sample: Path, wanted: str | None) -> Source:
    """Return the source to try: the one named, the only one, or the one whose `path` the sample's name fits."""
    system = city.systems.get(name)
    if system is None:
        raise UsageError(f"the city has no system {name}", mend="one of: " + ", ".join(city.systems))
    sources = {each.source: system.sources[each.source] for each in system.publishes}
    if wanted is not None and wanted in sources:
        return sources[wanted]
    fitting = [each for each in sources.values() if fnmatchcase(sample.name, _pattern(each))]
    candidates = fitting if len(sources) > 1 else list(sources.values())
    if wanted is not None or len(candidates) != 1:
        listed = ", ".join(sources) or "none"
        what = f"no source {wanted} whose rows become events" if wanted else f"{len(sources)} sources; none is certain"
        raise UsageError(f"{name} has {what}", mend=f"--source, one of: {listed}" if sources else "write `publishes:`")
    return candidates[0]


def _pattern(source: Source) -> str:
    return PurePosixPath(str(source.options.get("path", ""))).name


def _refuse_broken(city: City, name: str) -> None:
    """Refuse what is wrong with this system's file: what is wrong with others hinders no trial."""
    from hub.cli.check import problems_of

    found = [each for each in problems_of(city) if each.level == "error" and each.place.startswith(f"systems/{name}.")]
    if found:
        raise ConfigurationError(found)


def given_facts(file: Path) -> dict[str, dict[str, Any]]:
    """Return facts by resident of a YAML or JSON file, as rule tests write them under `given`. Raises `UsageError`."""
    from hub.events.facts import empty, merge
    from hub.settings.yaml import read_yaml

    node = read_yaml(file)
    if not isinstance(node.value, dict) or not all(isinstance(each, dict) for each in node.value.values()):
        raise UsageError(f"{file} holds no facts", mend='write {"1000001": {insurance: {kokuho: {active: true}}}}')
    for number, known in node.items.items():
        unknown = [group for group in known.value if group not in empty()]
        if unknown:
            mend = "one of: " + ", ".join(empty())
            raise UsageError(f"{number} has no facts called {unknown[0]}", place=known.key_place(unknown[0]), mend=mend)
    return {str(number): merge(empty(), known) for number, known in node.value.items()}


def _raw(tried: Tried, encoding: str) -> str | None:
    """Return what stands in the sample where a row could not be read."""
    return None if tried.row.values else tried.row.raw.decode(encoding, "backslashreplace")


def _write(answer: dict[str, Any], shown: list[Tried], encoding: str) -> None:
    output.line(f"{answer['source']} ({answer['adapter']})  {answer['sample']}")
    for tried in shown:
        output.line()
        for text in _lines(tried, encoding):
            output.line(text)
    output.line()
    output.line(word("try.counts", **answer["counts"]))


def _lines(tried: Tried, encoding: str) -> Iterator[str]:
    row = "  ".join(f"{name}={output.compact(value)}" for name, value in tried.row.values.items())
    row = row or str(_raw(tried, encoding)).rstrip()
    yield f"{tried.row.place}  {row}".rstrip()
    error, event = tried.error, tried.event
    if error is not None:
        yield f"  ✗ {in_words(error.code, error.message)}" + (f" ({error.mend})" if error.mend else "")
        if error.place and error.place != tried.row.place:
            yield f"    {error.place}"
    elif event is None:
        yield "  " + word("try.ignored", reason=tried.ignored)
    else:
        yield f"  → {event.type}  {event.subject}  {event.system}/{event.id}"
        yield f"    {output.compact(event.data)}"
        if tried.row.doubt:
            yield "    " + word("try.doubt", doubt=tried.row.doubt)
        if tried.repeats:
            yield "    " + word("try.repeats", place=tried.repeats)
    for each in tried.told:
        held = f" [{word('state.held')}: {each.hold} {each.detail}]" if each.hold else ""
        sent = word("try.nothing") if each.data is None else output.compact(each.data)
        yield f"    ✓ {each.receiver}  {each.rule} ({each.place}){held}: {sent}"
    for other in tried.not_told:
        yield f"    – {other['system']}: {other['why']}"
