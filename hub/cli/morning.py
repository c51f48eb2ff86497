"""`hub morning`: what needs a person now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.cli import output
from hub.cli.codes import in_words, listed, mend
from hub.cli.language import lang
from hub.cli.session import Session
from hub.cli.unread import left
from hub.cli.words import word


def _each(kind: str) -> Callable[[str], str]:
    return lambda why: ("、" if lang() == "ja" else ", ").join(
        output.worded(f"{kind}.{each}") for each in why.split(", ")
    )


STANDS = frozenset({"stands-still", "source"})  # of what stands still it is said below what to do
WHY: Mapping[str, Callable[[str], str]] = {  # kinds whose `why` is codes, or words of one room
    **dict.fromkeys(("dead", "unknown", "held", "quarantine", "review"), listed),
    **dict.fromkeys(("waiting", "reported"), _each("review-kind")),
    "identity": _each("identity"),
    "approval": _each("job-kind"),
    "at-rest": _each("rest"),
}
DO = {  # kinds of which a person must know more than the command
    "unread": "morning.unread-do",
    "left": "morning.left-do",
    "at-rest": "morning.at-rest-do",
    "kafka": "morning.kafka-do",
    "approval": "morning.approval-do",
    "untargeted": "morning.untargeted-do",
    "protection": "morning.protection-do",
}


def morning(session: Session) -> int:
    """Tell what needs a person now; exit 1 when there is anything."""
    from hub.stages.morning import morning as found_in

    with session.ledger() as ledger:
        items = found_in(ledger, left(session, ledger))
    session.answer({"items": items, "next": None}, lambda: _write(items))
    return 1 if items else 0


def _write(items: list[dict[str, Any]]) -> None:
    if not items:
        output.line(word("morning.nothing"))
        return
    headers = ("since", "what", "where", "count", "why", "do")
    rows = [
        (
            item["since"],
            output.worded(f"morning.{item['kind']}"),
            output.known(output.place(item["system"], item["name"])),
            item["count"],
            _why(item),
            item["do"],
        )
        for item in items
    ]
    output.listing([word(f"column.{name}") for name in headers], rows, None)
    told = [said for item in items if (said := _mend(item))]
    if told:
        output.line()
    for said in told:
        output.line(said)


def _mend(item: dict[str, Any]) -> str:
    """Return what to do about something for which a command is not enough, "" where it is."""
    key = output.place(item["system"], item["name"])
    if item["kind"] in DO:
        return word(DO[item["kind"]], source=key)
    said = mend(item["code"] or "") if item["kind"] in STANDS else ""
    return f"{key}: {said}" if said else ""


def _why(item: dict[str, Any]) -> str:
    told = WHY.get(item["kind"])
    return told(item["why"]) if told is not None else in_words(item["code"] or "", item["why"])
