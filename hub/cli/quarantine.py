"""`hub quarantine`: input that could not become an event, and what a person makes of it."""

from __future__ import annotations

import base64
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hub.cli import filters, loop, output
from hub.cli.codes import in_words, mend
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError
from hub.stages import times

if TYPE_CHECKING:
    from hub.ledger.quarantine import Item
    from hub.settings.models import City, Source

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

    city = session.city()
    with session.ledger() as ledger:
        item = quarantine.show(ledger, no)
    found = {
        **_summary(item),
        "raw": item.raw.decode(encoding_of(city, item), "backslashreplace"),
        "raw_base64": base64.b64encode(item.raw).decode(),
    }
    session.answer(found, lambda: _write(found))


def fix(
    session: Session, no: Number, file: Annotated[Path, typer.Argument(metavar="FILE", help=word("option.fixed"))]
) -> None:
    """Put a file's content in the place of the raw input and resubmit it."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    _refuse_other_encoding(session, no, file, content)
    _resubmit(session, no, content)


def _refuse_other_encoding(session: Session, no: int, file: Path, content: bytes) -> None:
    """Raise UsageError for a row in another encoding than its source's, where the source names one."""
    from hub.ledger import quarantine
    from hub.settings.wording import decodes

    with session.ledger() as ledger:
        item = quarantine.show(ledger, no)
    source = _source_of(session.city(), item)
    encoding = source.options.get("encoding") if source else None
    is_event = content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    if is_event or encoding is None or decodes(content, encoding):
        return
    likely = ", it looks like UTF-8" if decodes(content, "utf-8") else ""
    message = f"{file} is not in {encoding}, as the files of {item.system}.{item.source} are{likely}"
    raise UsageError(message, mend=f"save it in {encoding} and try again")


def resubmit(session: Session, no: Number) -> None:
    """Resubmit the raw input as it is: the rules, a table or the city's files were put right."""
    _resubmit(session, no, None)


def discard(
    session: Session, no: Number, reason: Annotated[str, typer.Option("--reason", help=word("option.reason"))]
) -> None:
    """Close an entry without an event."""
    from hub.ledger import quarantine

    with session.ledger() as ledger:
        item = quarantine.show(ledger, no)
        if item.status != "open":
            raise UsageError(f"the quarantine entry {no} is {item.status} already")
        quarantine.resolve(ledger, no, "discarded", reason)
    session.answer({"no": no, "status": "discarded"}, lambda: output.line(word("quarantine.discarded", no=no)))


def encoding_of(city: City, item: Item) -> str:
    """Return the encoding of the source an entry came from; UTF-8 for everything else."""
    source = _source_of(city, item)
    return str(source.options.get("encoding", "utf-8")) if source else "utf-8"


def _source_of(city: City, item: Item) -> Source | None:
    system = city.systems.get(item.system)
    return system.sources.get(item.source) if system else None


def _resubmit(session: Session, no: int, content: bytes | None) -> None:
    with session.hub() as hub:
        done = loop.run(hub.resubmit(no, content))
    answer = {**asdict(done), "status": "resubmitted"}
    text = word("quarantine.resubmitted", no=no, events=", ".join(done.events))
    session.answer(answer, lambda: output.line(text))


def _summary(item: Item) -> dict[str, Any]:
    from hub.stages.times import moment

    found = {name: value for name, value in asdict(item).items() if name != "raw"}
    resolved = moment(item.resolved_at) if item.resolved_at is not None else None
    return {**found, "at": moment(item.at), "resolved_at": resolved}


def _write_list(items: list[dict[str, Any]], following: str | None) -> None:
    headers = ("no", "recorded", "source", "place", "error", "why", "seen")
    output.listing(
        [word(f"column.{name}") for name in headers],
        [
            (
                item["no"],
                item["at"],
                ".".join(filter(None, (item["system"], item["source"]))) or item["stage"],
                item["place"],
                item["code"],
                in_words(item["code"], item["message"]),
                item["seen"],
            )
            for item in items
        ],
        following,
    )


def _write(found: dict[str, Any]) -> None:
    names = ("no", "at", "status", "stage", "system", "source", "place", "code", "message", "seen", "note")
    code, status = found["code"], found["status"]
    said = {"message": in_words(code, found["message"]), "status": output.standing("quarantine", status)}
    output.fields({**found, **said, "stage": output.worded(f"stage.{found['stage']}")}, names)
    output.line()
    output.line(found["raw"].rstrip("\n"))
    if status == "open":
        output.steps(mend(code), _steps(found["no"]))


def _steps(no: int) -> list[tuple[str, str]]:
    return [
        (word("step.quarantine-fix"), f"hub quarantine fix {no} {word('step.file')}"),
        (word("step.quarantine-resubmit"), f"hub quarantine resubmit {no}"),
        (word("step.quarantine-discard"), f"hub quarantine discard {no} --reason {word('step.text')}"),
    ]
