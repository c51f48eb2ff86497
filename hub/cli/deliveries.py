"""`hub deliveries`: what each system is told, and how it went."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hub.cli import filters, output
from hub.cli.codes import error_of, in_words, mend_of, no_receiver
from hub.cli.naming import type_name
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import AmbiguousId, NotFound, UsageError
from hub.stages import times

if TYPE_CHECKING:
    from hub.settings.models import Receiver

OPEN = frozenset({"waiting", "held", "unknown", "dead"})
REPLAYED = OPEN - {"held"}


def listing(
    session: Session,
    system: filters.Systems = None,
    status: filters.Statuses = None,
    type_: filters.Types = None,
    resident: filters.Resident = None,
    batch: filters.Batch = None,
    since: filters.Since = None,
    until: filters.Until = None,
    error: filters.Error = None,
    limit: filters.Limit = 50,
    cursor: filters.Cursor = None,
) -> None:
    """List deliveries."""
    from hub.stages.inquiry import DeliveryFilter

    zone = ZoneInfo(session.city().timezone)
    wanted = DeliveryFilter(
        systems=tuple(system or ()),
        statuses=filters.codes(status),
        types=filters.short(type_),
        resident=resident,
        batch=batch,
        since=times.since(since, zone),
        until=times.until(until, zone),
        error=error,
    )
    with session.inquiry() as inquiry:
        filters.refuse_unknown(session.city(), inquiry.named(), wanted.systems, wanted.types)
        page = inquiry.deliveries(wanted, limit=limit, cursor=cursor)
    session.answer(page, lambda: _write_list(page))


def show(
    session: Session, delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help=word("option.delivery"))]
) -> None:
    """Show one delivery."""
    with session.inquiry() as inquiry:
        try:
            found = inquiry.delivery(delivery)
        except AmbiguousId:
            raise
        except UsageError as error:  # an unknown name is answered alike, whatever it looks like
            raise NotFound(f"there is no delivery {delivery}", mend=f"{error.mend}: hub deliveries list") from None
    city = session.city()
    receiver = next((each for each in city.receivers() if each.key == f"{found['system']}.{found['receiver']}"), None)
    session.answer(found, lambda: _write_delivery(found, receiver))


def _write_list(page: dict[str, Any]) -> None:
    headers = ("recorded", "delivery", "type", "subject", "status", "attempts", "error")
    output.listing(
        [word(f"column.{name}") for name in headers],
        [
            (
                item["planned_at"],
                item["id"],
                type_name(item["type"]),
                item["subject"],
                output.state(item["status"], item["reason"]),
                item["attempts"],
                error_of(item),
            )
            for item in page["items"]
        ],
        page["next"],
    )


def _write_delivery(found: dict[str, Any], receiver: Receiver | None) -> None:
    names = (
        "id",
        "type",
        "subject",
        "rule",
        "action",
        "planned_at",
        "next_attempt_at",
        "delivered_at",
        "batch",
        "status",
    )
    status, action = output.state(found["status"], found["reason"]), output.worded(f"action.{found['action']}")
    output.fields({**found, "type": type_name(found["type"]), "status": status, "action": action}, names)
    output.data(found["type"], (found["payload"] or {}).get("data", {}))
    output.withheld(found["type"], found)
    for each in found["log"]:
        kind, told = output.worded(f"attempt.{each['kind']}"), in_words(each["code"], each["message"])
        output.line(f"{output.when(each['at'])}  {kind}  {each['code']}  {told}")
    if found["status"] == "held" and found["error"] and not found["log"]:
        output.line(f"{output.label('reason')}: {error_of(found)}")
    if found["status"] in OPEN and (receiver is None or not receiver.enabled):
        output.steps(no_receiver())
        return
    outward = receiver is not None and receiver.effects == "outward"
    output.steps(mend_of(found), _steps(found["id"], found["status"], found["reason"], outward=outward))


def _steps(key: str, status: str, reason: str | None, *, outward: bool = False) -> Iterator[tuple[str, str]]:
    """Yield what a person may decide of a delivery that has not arrived."""
    from hub.ledger.states import decidable

    if status not in OPEN:
        return
    named = shlex.quote(key)
    if decidable("release", status, reason):
        yield word("step.delivery-release"), f"hub deliveries release {named} --reason {word('step.text')}"
    if status in REPLAYED:
        yield word("step.delivery-replay"), f"hub replay {named}{' --include-outward' if outward else ''}"
    if decidable("confirm", status, reason):
        yield word("step.delivery-confirm"), f"hub deliveries confirm {named} --reason {word('step.text')}"
    yield word("step.delivery-drop"), f"hub deliveries drop {named} --reason {word('step.text')}"
