"""`hub jobs`: what was asked for in bulk, how far it is, and what a person makes of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import filters, loop, output
from hub.cli.decisions import By, person
from hub.cli.session import Session
from hub.cli.words import WORDS, word
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.stages.jobs import Plan

Number = Annotated[int, typer.Argument(metavar="NO", help=word("option.job"))]
Rate = Annotated[float | None, typer.Option("--rate", min=0.01, metavar="N", help=word("option.rate"))]
Stale = Annotated[bool, typer.Option("--even-if-stale", help=word("option.even-if-stale"))]
Outward = Annotated[bool, typer.Option("--include-outward", help=word("option.include-outward"))]

WAYS = {"cancelled before": "jobs.cancelled-before", "a correction itself": "jobs.correction-itself"}
STEPS = {"approval": ("approve", "cancel"), "paused": ("resume", "cancel")}  # status → what a person may do next


def listing(session: Session, limit: filters.Limit = 50, cursor: filters.Cursor = None) -> None:
    """List jobs, the newest first."""
    from hub.ledger import jobs
    from hub.stages.jobs import as_dict

    if cursor is not None and not cursor.isdecimal():
        raise UsageError(f"not a cursor of this list: {cursor}", mend="use the value of `next`")
    with session.ledger() as ledger:
        found = jobs.listing(ledger, limit=limit + 1, before=int(cursor) if cursor else None)
    items = [as_dict(job) for job in found[:limit]]
    following = str(items[-1]["no"]) if len(found) > limit else None
    session.answer({"items": items, "next": following}, lambda: _write_list(items, following))


def show(session: Session, no: Number, limit: filters.Limit = 50, cursor: filters.Cursor = None) -> None:
    """Show one job with its items."""
    from hub.ledger import jobs
    from hub.stages.jobs import as_dict, item_of

    with session.ledger() as ledger:
        job = as_dict(jobs.get(ledger, no))
        rows = jobs.items(ledger, no, limit=limit + 1, after=int(cursor or 0))
    following = str(rows[limit - 1]["no"]) if len(rows) > limit else None
    found = {**job, "items": [item_of(row) for row in rows[:limit]], "next": following}

    def for_people() -> None:
        _write(found)
        output.listing(
            [word(f"column.{name}") for name in ("no", "what", "event", "receiver", "result")],
            [
                (
                    each["no"],
                    output.worded(f"what.{each['what']}"),
                    each["event"],
                    each["receiver"],
                    _result(each["result"]),
                )
                for each in found["items"]
            ],
            following,
        )

    session.answer(found, for_people)


def pause(session: Session, no: Number) -> None:
    """Hold back what a job has not sent yet."""
    _steer(session, no, "pause")


def resume(session: Session, no: Number) -> None:
    """Let a paused job go on, or one that publishes and was broken off."""
    from hub.ledger import jobs

    with _opened(session) as hub:
        if jobs.get(hub.ledger, no).status == "paused":
            jobs.steer(hub.ledger, no, "resume")
        _work_off(hub, no)
        _answer(session, hub, no)


def cancel(session: Session, no: Number) -> None:
    """Take back what a job has not sent yet."""
    _steer(session, no, "cancel")


def approve(session: Session, no: Number, by: By = None) -> None:
    """Let a job go that waits for a second person."""
    from hub.ledger import jobs

    with _opened(session) as hub:
        jobs.approve(hub.ledger, no, person(by))
        _work_off(hub, no)
        _answer(session, hub, no)


# --- for the commands that begin jobs ---------------------------------------------------------------------------------


def begin(session: Session, hub: Hub, plan: Plan, *, by: str | None, reason: str, dry_run: bool) -> int:
    """Answer with the preview, or make it a job and answer with that; return the exit code."""
    from hub.ledger import jobs, schema
    from hub.stages.jobs import as_dict, start

    schema.ready(hub.ledger)
    preview = {"no": None, "kind": plan.kind, "status": None, "preview": plan.totals, "approval": plan.approval}
    if dry_run or not plan.orders:
        found = {**preview, "items": plan.items}
        session.answer(found, lambda: _write_preview(found))
        return 0
    number = start(hub.ledger, plan, by=person(by), reason=reason)
    _work_off(hub, number)
    found = {**preview, **as_dict(jobs.get(hub.ledger, number)), "items": plan.items}
    session.answer(found, lambda: _write_begun(found))
    return 0


@contextlib.contextmanager
def _opened(session: Session) -> Iterator[Hub]:
    """Give the city at work, its ledger's tables made if it is new."""
    from hub.ledger import schema

    with session.hub() as hub:
        schema.ready(hub.ledger)
        yield hub


def _work_off(hub: Hub, number: int) -> None:
    """Publish at once what a job publishes; what is delivered, the receivers' owners deliver."""
    from hub.ledger import jobs

    if number in jobs.publishing(hub.ledger):
        loop.run(hub.work_off(number))


def _steer(session: Session, no: int, what: str) -> None:
    from hub.ledger import jobs

    with _opened(session) as hub:
        jobs.get(hub.ledger, no)
        jobs.steer(hub.ledger, no, what)
        _answer(session, hub, no)


def _answer(session: Session, hub: Hub, no: int) -> None:
    from hub.ledger import jobs
    from hub.stages.jobs import as_dict

    found = as_dict(jobs.get(hub.ledger, no))
    session.answer(found, lambda: _write(found))


def _write_preview(found: dict[str, Any]) -> None:
    _write_counts(found["preview"])
    for item in found["items"]:
        place = item.get("id") or item.get("event") or ""
        told = " → " + ", ".join(item["told"]) if item.get("told") else ""
        what = output.worded(f"what.{item['what']}")
        output.line(f"  {what}: {place}{told}")
        output.changes(item.get("changes", {}))
        for name in item.get("withheld", ()):
            output.line(f"    {name}: {word('events.withheld')}")
        if not item.get("known", True):
            output.line("    " + word("jobs.unheard"))
    if not found["preview"].get("counts"):
        output.line(word("jobs.nothing"))


def _write_begun(found: dict[str, Any]) -> None:
    _write_counts(found["preview"])
    no = found["no"]
    output.line(word("jobs.approval", no=no) if found["status"] == "approval" else word("jobs.begun", no=no))


def _write_counts(preview: dict[str, Any]) -> None:
    for what, count in preview.get("counts", {}).items():
        output.line(f"{output.worded(f'what.{what}')}: {count}")
    for key, count in preview.get("receivers", {}).items():
        output.line(f"{key}: {count}")
    for why, count in preview.get("left_out", {}).items():
        output.line(word("jobs.left-out", why=_left_out(why), count=count))
        if why in WAYS:
            output.line(word(WAYS[why]))


def _left_out(why: str) -> str:
    """Return why something is not part of a job: a word of its own with what it is about, or how a delivery stands."""
    if why.startswith("today "):
        return word("left.today", reason=output.why(why.removeprefix("today ")))
    said, _, of = why.partition(": ")
    if f"left.{said}" not in WORDS:
        return output.state(said, of or None)
    return word(f"left.{said}") + (f": {of}" if of else "")


def _write(found: dict[str, Any]) -> None:
    names = ("no", "kind", "status", "by", "reason", "at", "approved_by", "open", "waiting")
    status = found["status"]
    output.fields({**found, "kind": _kind(found), "status": output.standing("job", status)}, names)
    _write_counts(found["preview"])
    for name in ("results", "delivered"):
        for what, count in found[name].items():
            output.line(f"{output.label(name)}: {_result(what)} {count}")
    steps = [(word(f"step.job-{what}"), f"hub jobs {what} {found['no']}") for what in STEPS.get(status, ())]
    output.steps("", steps)


def _kind(job: dict[str, Any]) -> str:
    return output.worded(f"job-kind.{job['kind']}")


def _result(what: str | None) -> str:
    return word(f"result.{what}") if f"result.{what}" in WORDS else output.state(what or "")


def _write_list(items: list[dict[str, Any]], following: str | None) -> None:
    headers = ("no", "recorded", "what", "status", "by", "why", "left", "done")
    output.listing(
        [word(f"column.{name}") for name in headers],
        [
            (
                each["no"],
                each["at"],
                _kind(each),
                output.standing("job", each["status"]),
                each["by"],
                each["reason"],
                each["open"] + each["waiting"],
                sum(each["results"].values()) - each["waiting"],
            )
            for each in items
        ],
        following,
    )
