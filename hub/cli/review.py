"""`hub review`: what waits for a person, or was listed for people to know, and what they decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import typer

from hub.cli import filters, loop, output
from hub.cli.codes import in_words, mend
from hub.cli.decisions import By, DryRun, Reason, Why, person
from hub.cli.naming import common_name
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError
from hub.stages import times

if TYPE_CHECKING:
    from hub.ledger.engine import Ledger
    from hub.ledger.reviews import Item
    from hub.stages.reviewing import Decided

Number = Annotated[int, typer.Argument(metavar="NO", help=word("option.review"))]
Numbers = Annotated[list[str] | None, typer.Argument(metavar="[NO]...", help=word("option.reviews"))]
OneSystem = Annotated[str | None, typer.Option("--system", metavar="SYSTEM", help=word("option.one-system"))]
OneSource = Annotated[str | None, typer.Option("--source", metavar="SOURCE", help=word("option.source"))]
Kinds = Annotated[list[str] | None, typer.Option("--kind", metavar="KIND", help=word("option.kind"))]
Batch = Annotated[str | None, typer.Option("--batch", metavar="BATCH", help=word("option.batch-reference"))]
_PAGE = 1000  # items read at once
_COMPARED = ("change", "changed", "row", "was", "facts")  # shown as a table


def listing(
    session: Session,
    system: OneSystem = None,
    source: OneSource = None,
    kind: Kinds = None,
    status: Annotated[list[str] | None, typer.Option("--status", help=word("option.review-status"))] = None,
    resident: filters.Resident = None,
    batch: Batch = None,
    since: filters.Since = None,
    until: filters.Until = None,
    limit: filters.Limit = 50,
    cursor: filters.Cursor = None,
) -> None:
    """List what is open, the newest first."""
    from hub.ledger import reviews

    zone = ZoneInfo(session.city().timezone)
    with session.ledger() as ledger:
        origin = _origin(ledger, batch, system, source)
        items, following = reviews.listing(
            ledger,
            kinds=kind or (),
            statuses=filters.codes(status, "review-state") or reviews.OPEN,
            subject=resident,
            **origin._asdict(),
            since=times.since(since, zone),
            until=times.until(until, zone),
            limit=limit,
            cursor=cursor,
        )
    found = [told(item) for item in items]
    session.answer({"items": found, "next": following}, lambda: _write_list(found, following))


class _Origin(NamedTuple):
    """Filters by where items came from."""

    system: str | None
    source: str | None
    batch: str | None


def _origin(ledger: Ledger, batch: str | None, system: str | None, source: str | None) -> _Origin:
    """Return the filters; a batch is of one source. Raises `NotFound`, `AmbiguousId`."""
    from hub.ledger import batches

    if batch is None:
        return _Origin(system, source, None)
    found = batches.show(ledger, batch)
    return _Origin(system or found.system, source or found.source, found.id)


def show(session: Session, no: Number) -> None:
    """Show one item with all that was put there."""
    found = _shown(session, no)
    session.answer(found, lambda: _write(found, _steps(found)))


def _shown(session: Session, no: int) -> dict[str, Any]:
    from hub.stages import reviewing

    with session.ledger() as ledger:
        item, shown = reviewing.shown(ledger, no, session.discretion(ledger))
    return {**told(item), **shown}


def accept(
    session: Session,
    numbers: Numbers = None,
    batch: Batch = None,
    system: OneSystem = None,
    source: OneSource = None,
    kind: Kinds = None,
    dry_run: DryRun = False,
    reason: Why = "",
    by: By = None,
) -> int:
    """Let it be so: publish its events, if it has any, once."""
    chosen = _chosen(session, numbers, kind, batch, system, source)
    if dry_run:
        return _try(session, chosen, "review.would-accept")
    with session.hub() as hub:
        done = loop.run(hub.accept(chosen.numbers, who=person(by), why=reason))
    return _answer(session, chosen, done, _say_accepted)


def fix(
    session: Session,
    no: Number,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help=word("option.review-document"))] = None,
    values: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help=word("option.set"))] = None,
    reason: Why = "",
    by: By = None,
) -> None:
    """Put right what was misread; every other field is taken as it was read, and the event is published once."""
    given = dict(_pair(text) for text in values or ())
    if file is None and not given:
        mend = f"--set NAME=VALUE, a FILE with the whole document, or `hub review accept {no}` if all is right"
        raise UsageError("nothing is said of what was misread", mend=mend)
    try:
        document = file.read_bytes() if file is not None else None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    with session.hub() as hub:
        item = loop.run(hub.confirm(no, given, document, who=person(by), why=reason))
    session.answer(told(item), lambda: _say_accepted([item]))


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UsageError(f"not NAME=VALUE: {name}", mend="for example --set 氏名=守口太郎")
    return name, value


def reject(
    session: Session,
    reason: Reason,
    numbers: Numbers = None,
    batch: Batch = None,
    system: OneSystem = None,
    source: OneSource = None,
    kind: Kinds = None,
    dry_run: DryRun = False,
    by: By = None,
) -> int:
    """Publish nothing of it; the same thing is not put there again."""
    from hub.stages import reviewing

    chosen = _chosen(session, numbers, kind, batch, system, source)
    if dry_run:
        return _try(session, chosen, "review.would-reject")
    with session.ledger() as ledger:
        deciding = partial(reviewing.reject, ledger, who=person(by), why=reason)
        done = reviewing.each(chosen.numbers, deciding)
    return _answer(session, chosen, done, _say_rejected)


# --- one or many ------------------------------------------------------------------------------------------------------


class _Chosen(NamedTuple):
    """The items that are meant, by number; `alone`: one was named, and is answered as it is."""

    numbers: list[int]
    alone: bool


def _chosen(
    session: Session,
    numbers: list[str] | None,
    kinds: list[str] | None,
    batch: str | None,
    system: str | None,
    source: str | None,
) -> _Chosen:
    """Return the items that are named, and what is open within the ranges or fits the filters, the oldest first.

    Raises `UsageError`, and of a batch `NotFound` and `AmbiguousId`.
    """
    from hub.ledger import reviews

    some = any((kinds, batch, system, source))
    if numbers and some:
        raise UsageError("items by number, or filters: not both", mend="leave one of them out")
    if not (numbers or some):
        raise UsageError("which items?", mend="name numbers, ranges such as 3-278, or filters such as --batch")
    spans = [_span(text) for text in numbers or ()]
    named = {first for first, last in spans if last is None}
    ranges = [(first, last) for first, last in spans if last is not None]
    with session.ledger() as ledger:
        origin = _origin(ledger, batch, system, source)._asdict()
        cursor: str | None = None
        while ranges or some:
            items, cursor = reviews.listing(
                ledger, kinds=kinds or (), ranges=ranges, **origin, limit=_PAGE, cursor=cursor
            )
            named.update(item.no for item in items)
            if cursor is None:
                break
    return _Chosen(sorted(named), alone=len(spans) == len(named) == 1 and not ranges)


def _span(text: str) -> tuple[int, int | None]:
    """Return the number a text names, or the first and the last one of a range."""
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise UsageError(f"not a number or a range of them: {text}", mend="for example 5 or 3-278")
    return int(first), int(last) if dash else None


def _try(session: Session, chosen: _Chosen, said: str) -> int:
    """Show what would be decided, and change nothing."""
    from hub.stages import reviewing

    with session.ledger() as ledger:
        done = reviewing.each(chosen.numbers, partial(reviewing.undecided, ledger))
    if chosen.alone and not done.refused:
        found = _shown(session, chosen.numbers[0])
        session.answer(found, lambda: _write(found, (), word(said, count=1, events=found["events"])))
        return 0

    def for_people(items: list[Item]) -> None:
        _write_list([told(item) for item in items], None)
        output.line(word(said, count=len(items), events=sum(item.events for item in items)))

    return _answer(session, chosen, done, for_people)


def _answer(session: Session, chosen: _Chosen, done: Decided, for_people: Callable[[list[Item]], None]) -> int:
    """Answer with what was decided and what could not be; return the exit code. Raises why a single one could not."""
    if chosen.alone:
        for error in done.refused.values():
            raise error
        session.answer(told(done.items[0]), lambda: for_people(done.items))
        return 0
    refused: list[dict[str, Any]] = [
        {"no": no, "code": error.code, "message": error.message, "mend": error.mend}
        for no, error in done.refused.items()
    ]
    found = {"count": len(done.items), "items": [told(item) for item in done.items], "refused": refused}

    def tell() -> None:
        if done.items:
            for_people(done.items)
        elif not refused:
            output.line(word("list.empty"))
        for each in refused:
            output.line(word("review.refused", no=each["no"], why=in_words(each["code"], each["message"])))

    session.answer(found, tell)
    return 1 if refused else 0


def _say_accepted(items: list[Item]) -> None:
    events = sum(item.events for item in items)
    if len(items) != 1:
        output.line(word("review.accepted-many", count=len(items), events=events))
    elif events:
        output.line(word("review.accepted", no=items[0].no, events=events))
    else:
        said = "review.accepted-alone" if items[0].kind == "unsure" else "review.accepted-known"
        output.line(word(said, no=items[0].no))


def _say_rejected(items: list[Item]) -> None:
    if len(items) == 1:
        output.line(word("review.rejected", no=items[0].no))
    else:
        output.line(word("review.rejected-many", count=len(items)))


def told(item: Item) -> dict[str, Any]:
    """Return an item as JSON, without what it holds."""
    from hub.stages.times import moment

    found = {name: value for name, value in asdict(item).items() if name not in {"payload", "standing"}}
    for name in ("at", "decided_at", "published_at"):
        found[name] = moment(found[name]) if found[name] is not None else None
    return found


def _write(found: dict[str, Any], steps: Iterable[tuple[str, str]], would: str = "") -> None:
    kind, summary = output.worded(f"review-kind.{found['kind']}"), in_words("", found["summary"])
    shown = {**found, "kind": kind, "summary": summary, "status": output.standing("review", found["status"])}
    if "change" in found:
        output.fields(shown, [name for name in shown if name not in _COMPARED])
        _write_columns(found)
        _write_facts(found["facts"])
    else:
        output.fields(shown)
    if would:
        output.line()
        output.line(would)
    elif found["status"] in {"waiting", "reported"}:
        unsure, quiet = found["kind"] == "unsure", "change" in found and not found["events"]
        output.steps(mend("unsure") if unsure else word("review.quiet") if quiet else "", steps)


def _write_columns(found: dict[str, Any]) -> None:
    """Write the columns of a row of a full extract, as they were and as they are, as far as either is kept."""
    row, was, changed = found["row"] or {}, found["was"] or {}, found["changed"]
    rows = []
    for name in {**row, **was}:
        before = was.get(name, word("review.not-kept") if name in changed else None)
        rows.append((name, before, row.get(name), word("review.changed") if name in changed else None))
    output.table([word(f"column.{name}") for name in ("column", "was", "is")] + [""], rows)


def _write_facts(facts: dict[str, Any] | None) -> None:
    """Write what was reported of the resident."""
    if facts is None:
        output.line(word("review.unheard"))
        return
    output.line(word("review.facts"))
    for name, value in facts.items():
        text = value.get("text") if isinstance(value, dict) else None
        output.line(f"  {common_name(name)}: {text or output.compact(value)}")


def _steps(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a person may do with an open item; what accepting a difference of an extract means is said."""
    no, compared = found["no"], "change" in found
    if not found.get("errors"):
        means = word("step.review-accept-events" if found["events"] else "step.review-accept-row")
        yield means if compared else word("step.review-accept"), f"hub review accept {no}"
    if found["kind"] == "unsure":
        yield word("step.review-fix"), f"hub review fix {no} --set {word('step.values')}"
    said = word("step.review-reject-row" if compared else "step.review-reject")
    yield said, f"hub review reject {no} --reason {word('step.text')}"


def _write_list(items: list[dict[str, Any]], following: str | None) -> None:
    headers = ("no", "recorded", "source", "subject", "why", "events", "status")
    output.listing(
        [word(f"column.{name}") for name in headers],
        [
            (
                item["no"],
                item["at"],
                output.place(item["system"], item["source"]),
                item["subject"],
                in_words("", item["summary"]),
                item["events"],
                output.standing("review", item["status"]),
            )
            for item in items
        ],
        following,
    )
