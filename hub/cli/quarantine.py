"""`hub quarantine`: input that could not become an event, and what a person makes of it."""

from __future__ import annotations

import base64
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hub.cli import filters, loop, output
from hub.cli.codes import in_words, mend
from hub.cli.decisions import By, DryRun, Reason, Why, person
from hub.cli.naming import type_name
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError
from hub.stages import times

if TYPE_CHECKING:
    from hub.ledger.quarantine import Item
    from hub.settings.models import City, Source

NOTED = ("note", "reason", "events", "replacement")  # of a decision
Number = Annotated[int, typer.Argument(metavar="NO", help=word("option.entry"))]


def listing(
    session: Session,
    system: Annotated[str | None, typer.Option("--system", metavar="SYSTEM", help=word("option.one-system"))] = None,
    source: Annotated[str | None, typer.Option("--source", metavar="SOURCE", help=word("option.source"))] = None,
    stage: Annotated[str | None, typer.Option("--stage", metavar="STAGE", help=word("option.stage"))] = None,
    status: Annotated[str, typer.Option("--status", help=word("option.entry-status"))] = "open",
    code: Annotated[str | None, typer.Option("--error", metavar="CODE", help=word("option.code"))] = None,
    since: filters.Since = None,
    until: filters.Until = None,
    limit: filters.Limit = 50,
    cursor: filters.Cursor = None,
) -> None:
    """List entries, the newest first."""
    from hub.ledger import quarantine

    (status,) = filters.codes([status], "quarantine-state")
    if status not in (*quarantine.STATUSES, "all"):
        raise UsageError(f"no such status: {status}", mend="one of: " + ", ".join((*quarantine.STATUSES, "all")))
    zone = ZoneInfo(session.city().timezone)
    with session.ledger() as ledger:
        items, following = quarantine.listing(
            ledger,
            system=system,
            source=source,
            stage=stage,
            status=None if status == "all" else status,
            code=code,
            since=times.since(since, zone),
            until=times.until(until, zone),
            limit=limit,
            cursor=cursor,
        )
    found = [_summary(item) for item in items]
    session.answer({"items": found, "next": following}, lambda: _write_list(found, following))


def show(session: Session, no: Number) -> None:
    """Show one entry with its raw input."""
    from hub.ledger import quarantine

    with session.ledger() as ledger:
        item = quarantine.show(ledger, no)
    _answer(session, item)


def _answer(session: Session, item: Item, would: str = "") -> None:
    """Answer with an entry as it stands, and for people with what a command `would` do, in words."""
    city = session.city()
    found = {
        **_summary(item),
        "raw": item.raw.decode(_readable(item.raw, _named_encoding(city, item) or "utf-8"), "backslashreplace"),
        "raw_base64": base64.b64encode(item.raw).decode(),
    }
    source = _source_of(city, item)
    published = {each.source for each in city.systems[item.system].publishes} if source is not None else set()
    is_read = source is not None and source.mode != "snapshot" and source.name in published
    session.answer(found, lambda: _write({**found, **_noted(item)}, _steps(found, is_read=is_read), would))


def fix(
    session: Session,
    no: Number,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=word("option.fixed"))],
    dry_run: DryRun = False,
    reason: Why = "",
    by: By = None,
) -> None:
    """Put a file's content in the place of the raw input and resubmit it."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    encoding = _encoding_of(session, no, file, content)
    _resubmit(session, no, content, (person(by), reason, encoding), dry_run=dry_run)


def _encoding_of(session: Session, no: int, file: Path, content: bytes) -> str:
    """Return a row's encoding; raises UsageError for another than its source's, where the source names one."""
    from hub.ledger import quarantine
    from hub.settings.wording import decodes

    with session.ledger() as ledger:
        item = quarantine.show(ledger, no)
    encoding = _named_encoding(session.city(), item)
    is_event = content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    if is_event or encoding is None:
        return "utf-8"
    if decodes(content, encoding):
        return encoding
    likely = ", it looks like UTF-8" if decodes(content, "utf-8") else ""
    message = f"{file} is not in {encoding}, as the files of {item.system}.{item.source} are{likely}"
    raise UsageError(message, mend=f"save it in {encoding} and try again")


def resubmit(session: Session, no: Number, dry_run: DryRun = False, reason: Why = "", by: By = None) -> None:
    """Resubmit the raw input as it is: the rules, a table or the city's files were put right."""
    _resubmit(session, no, None, (person(by), reason), dry_run=dry_run)


def discard(session: Session, no: Number, reason: Reason, dry_run: DryRun = False, by: By = None) -> None:
    """Close an entry without an event."""
    from hub.ledger import quarantine

    with session.ledger() as ledger:
        if dry_run:
            item = quarantine.show(ledger, no)
            quarantine.refuse_unless(item, "open")
            _answer(session, item, word("quarantine.would-discard", no=no))
            return
        quarantine.discard(ledger, no, who=person(by), why=reason)
    session.answer({"no": no, "status": "discarded"}, lambda: output.line(word("quarantine.discarded", no=no)))


def reopen(session: Session, no: Number, reason: Reason, dry_run: DryRun = False, by: By = None) -> None:
    """Take a discard back: the entry is open again."""
    from hub.ledger import quarantine

    with session.ledger() as ledger:
        item = quarantine.show(ledger, no)
        if dry_run:
            quarantine.refuse_unless(item, "discarded")
            _answer(session, item, word("quarantine.would-reopen", no=no))
            return
        quarantine.reopen(ledger, no, who=person(by), why=reason)
    said = word("quarantine.reopened", no=no, seen=item.seen)
    session.answer({"no": no, "status": "open"}, lambda: output.line(said))


def _named_encoding(city: City, item: Item) -> str | None:
    """Return the encoding that is said of what an entry was read from; None where nothing is."""
    from hub.adapters import registry
    from hub.adapters.contract import Site

    read = _read_by(city, item)
    if read is None:
        return None
    zone, text = ZoneInfo(city.timezone), city.systems[item.system].text
    site = Site(Path(city.folder), zone, item.system, item.source, layouts=city.layouts, text=text)
    return registry.encoding_named(*read, site)


def _read_by(city: City, item: Item) -> tuple[str, Mapping[str, Any]] | None:
    """Return the adapter with its options that read an entry: its source's, or that of a receiver's answers."""
    source = _source_of(city, item)
    if source is not None:
        return source.adapter, source.options
    system = city.systems.get(item.system)
    receiver = system.receives.get(item.source.removesuffix(".acknowledged")) if system else None
    said = receiver.acknowledged if receiver else None
    return (str(said.from_["adapter"]), said.from_) if said else None


def _source_of(city: City, item: Item) -> Source | None:
    system = city.systems.get(item.system)
    return system.sources.get(item.source) if system else None


def _readable(raw: bytes, encoding: str) -> str:
    """Return the encoding in which a person can read raw input: UTF-8 where it is that and not the source's own."""
    from hub.settings.wording import decodes

    return "utf-8" if not decodes(raw, encoding) and decodes(raw, "utf-8") else encoding


def _resubmit(session: Session, no: int, content: bytes | None, decision: tuple[str, ...], *, dry_run: bool) -> None:
    """Resubmit an entry; `decision` is who decides, why, and perhaps the content's encoding."""
    from hub.stages.resubmit import Decision

    with session.hub() as hub:
        done = loop.run(hub.resubmit(no, content, Decision(*decision), dry_run=dry_run))
    answer = {**asdict(done), "status": "open" if dry_run or done.again else "resubmitted"}

    def for_people() -> None:
        said = "quarantine.would-resubmit" if dry_run else "quarantine.resubmitted"
        output.line(word("quarantine.refused-again" if done.again else said, no=no))
        for item in done.items:
            output.line("  " + word("quarantine.event", **{**item, "type": type_name(item["type"])}))
            output.line("    " + whom(item))
        output.changes(done.changes)
        if dry_run and done.stage == "dispatch":
            output.line("  " + word("quarantine.may-be-refused"))
        if done.waiting:
            output.line("  " + word("quarantine.waiting"))
        if done.unsure:
            output.line("  " + word("quarantine.unsure"))

    session.answer(answer, for_people)


def whom(item: dict[str, Any]) -> str:
    """Return in words what is known of whom an event is about."""
    if not item["known"]:
        return word("quarantine.unheard")
    known, reported = item["known_name"], item["name"]
    said = word("quarantine.known", name=known) if known else word("quarantine.nameless")
    same = reported is None or known is None or _bare(reported) == _bare(known)
    return said if same else said + word("quarantine.reported", name=reported)


def _bare(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split())


def _summary(item: Item) -> dict[str, Any]:
    """Return an entry as JSON; `note` of a discarded one is the reason, `by` who decided, `before` is past."""
    from hub.stages.times import moment

    found = {name: value for name, value in asdict(item).items() if name != "raw"}
    if item.kept and "events" not in item.kept:
        found["note"] = item.kept.get("reason")
    resolved = moment(item.resolved_at) if item.resolved_at is not None else None
    before = [{**each, "at": moment(each["at"])} for each in item.before]
    beside = {"by": item.kept.get("by"), "before": before}
    return {**found, "at": moment(item.at), "resolved_at": resolved, **beside}


def _write_list(items: list[dict[str, Any]], following: str | None) -> None:
    headers = ("no", "recorded", "source", "place", "error", "why", "seen")
    output.listing(
        [word(f"column.{name}") for name in headers],
        [
            (
                item["no"],
                item["at"],
                output.place(item["system"], item["source"]) or item["stage"],
                item["place"],
                item["code"],
                in_words(item["code"], item["message"]),
                item["seen"],
            )
            for item in items
        ],
        following,
    )


def _write(found: dict[str, Any], steps: Iterable[tuple[str, str]], would: str) -> None:
    names = ("no", "at", "status", "stage", "system", "source", "place", "code", "message", "seen", "by", *NOTED)
    code, status = found["code"], found["status"]
    said = {"message": in_words(code, found["message"]), "status": output.standing("quarantine", status)}
    stage = output.worded(f"stage.{found['stage']}")
    output.fields({**found, **said, "stage": stage}, names)
    for each in found["before"]:
        what, at = output.worded(f"deed.{each['what']}"), output.when(each["at"])
        output.line(word("quarantine.before", **{**each, "what": what, "at": at}))
    output.line()
    output.line(found["raw"].rstrip("\n"))
    if would:
        output.line()
        output.line(would)
    elif status != "resubmitted":
        output.steps(mend(code) if status == "open" else "", steps)


def _noted(item: Item) -> dict[str, Any]:
    """Return the parts of an entry's note by name; of one that is open again nothing stands."""
    kept = item.kept if item.status != "open" else {}
    parts = {name: kept.get(name) for name in ("by", *NOTED)}
    if item.status == "discarded":
        return {**parts, "reason": None, "note": kept.get("reason") if kept else item.note}
    return {**parts, "events": ", ".join(kept.get("events") or ())}


def _steps(found: dict[str, Any], *, is_read: bool) -> Iterator[tuple[str, str]]:
    """Yield what a person may do with an entry; a row that no mapping reads by itself can only be closed."""
    no, row = found["no"], found["stage"] == "intake"
    if found["status"] == "discarded":
        yield word("step.quarantine-reopen"), f"hub quarantine reopen {no} --reason {word('step.text')}"
        return
    if not row or is_read:
        what = word("step.quarantine-fix" if row else "step.quarantine-fix-event")
        yield what, f"hub quarantine fix {no} {word('step.file')}"
        if found["code"] != "id-reused" and found["raw"]:
            yield word("step.quarantine-resubmit"), f"hub quarantine resubmit {no}"
    yield word("step.quarantine-discard"), f"hub quarantine discard {no} --reason {word('step.text')}"
