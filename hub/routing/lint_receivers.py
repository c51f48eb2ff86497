"""What a receiver's adapter makes of a delivery, under lint: expressions compile, and name what is sent to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING

from hub.routing.lint_expressions import Notes, Text
from hub.routing.plan import EXTENSIONS
from hub.routing.projection import sent
from hub.routing.protection import FLAGS
from hub.routing.shapes import DATA, Shape, Unknown, look_up, meant
from hub.settings.layouts import layout_name
from hub.settings.spots import spots

if TYPE_CHECKING:
    from hub.routing.values import Path
    from hub.settings.models import Receiver, Subscription, System

Written = tuple[str, str]
"""An expression, and its place where that is not among the receiver's own settings (else "")."""

DELIVERED = frozenset({"event", "data", "subject", "delivery", "batch"})
PROJECTED = (
    "id", "source", "type", "subject", "time", *EXTENSIONS, "specversion", "deliverykey", "action", "corrects",
)  # fmt: skip
CONTENT = ("body", "columns", "content", "layout")  # settings in the place of what says by itself that it is a cancel
CANCELLED = "event.cancelled"
ACTIONS = {("delivery", "action"), ("event", "action"), ("event", "type"), ("data", "restored"), ("event", "corrects")}
_DELIVERY: Shape = {"key": "text", "no": "number", "action": "text"}
_BATCH: Shape = {"no": "number", "date": "date"}


def check(notes: Notes, system: System, receiver: Receiver, written: Iterable[Written]) -> None:
    """Note what is wrong with the expressions a receiver's adapter compiles."""
    read: set[Path] = set()
    mine = _sent([system], receiver)
    anybodys = cache(lambda: _sent(notes.city.systems.values(), None))  # in files that several systems may share
    for text in dict.fromkeys(each for one in written for each in _texts(notes, receiver, *one)):
        compiled = notes.compiled(text, DELIVERED)
        if compiled is None:
            continue
        read |= compiled.paths
        own = text.place.partition(":")[0] == receiver.place.partition(":")[0]
        shape = mine if own else anybodys()
        for path in sorted(compiled.paths - compiled.guarded):
            found = look_up(shape, path)
            if isinstance(found, Unknown):
                _unknown(notes, text, path, found)
    _cancels(notes, system, receiver, read)


def _cancels(notes: Notes, system: System, receiver: Receiver, read: set[Path]) -> None:
    """Warn of a receiver that is not told what was withdrawn from what is new, or refuses every cancel."""
    if not any(not rule.to or receiver.name in rule.to for rule in system.subscribes):
        return
    if receiver.adapter == "database":
        if "on_cancel" not in receiver.options:
            message = f"`{receiver.key}` does not say what a cancel does: each one becomes a dead letter"
            mend = "write `on_cancel: restore`, `delete`, `{column: expression}`, or `call` with `mode: call`"
            notes.warning(receiver.place, message, mend, "on-cancel")
        return
    own = next((key for key in CONTENT if key in receiver.options), None)
    layout = notes.city.layouts.get(layout_name(receiver.options))
    told_apart = layout is not None and any(fnmatchcase(CANCELLED, kind) for kind in layout.columns_by)
    told_apart = told_apart or any(path[:2] in ACTIONS for path in read)
    if own is None or told_apart or not any(path[0] == "data" for path in read):
        return
    message = f"`{own}` of `{receiver.key}` never reads `delivery.action`: what was taken back goes out as new"
    mend = 'add what says so, such as `delivery.action == "cancel"`; `data` then holds what was wrong'
    notes.warning(receiver.place_of(own), message, mend, "cancel-unread")


def _texts(notes: Notes, receiver: Receiver, expression: str, place: str) -> Iterator[Text]:
    """Yield an expression at every place where it stands."""
    if place:
        yield Text(expression, place, f"`{expression}`")
        return
    for path in spots(receiver.options, expression):
        what = ": ".join(str(step) for step in path)
        yield Text(expression, notes.place_between(receiver.place_of(*path), expression), f"`{what}`")


def _sent(systems: Iterable[System], receiver: Receiver | None) -> Mapping[str, Shape]:
    """Return the shape of what a receiver is sent; of all that systems are sent, for files several may share."""
    data: dict[str, Shape] = {}
    for system in systems:
        rules = [rule for rule in system.subscribes if receiver is None or not rule.to or receiver.name in rule.to]
        data |= {"restored": "open"} if rules else {}
        for rule in rules:
            data |= _fields(rule)
            permitted = rule.protected or system.protected
            if permitted is not None and (permitted.send_flag or permitted.mode == "flag-only"):
                data |= dict.fromkeys(FLAGS, "flag")
    event = {**dict.fromkeys(PROJECTED, "text"), "data": data}
    return {"event": event, "data": data, "subject": "text", "delivery": _DELIVERY, "batch": _BATCH}


def _fields(rule: Subscription) -> dict[str, Shape]:
    fields: dict[str, Shape] = {}
    for item in sent(rule.send):
        whole = item.field is not None and len(item.out) == 1
        found = [look_up(DATA[type_], item.field or ()) for type_ in rule.on if type_ in DATA] if whole else []
        fields[item.out[0]] = next((each for each in found if not isinstance(each, Unknown)), "open")
    return fields


def _unknown(notes: Notes, text: Text, path: Path, found: Unknown) -> None:
    place, dotted, mend = notes.place_of(text, path), ".".join(path), meant(found.name, found.known)
    if found.before == ("data",):
        message = f"{text.what}: no rule sends `{found.name}` to this receiver"
        notes.error(place, message, mend if mend.startswith("did") else "add it to `send`", "field-unknown")
    elif found.before == ("event",):  # CloudEvents allows attributes of any name
        notes.warning(place, f"{text.what}: few events have `{dotted}`", mend, "attribute-unknown")
    else:
        notes.error(place, f"{text.what}: there is no `{dotted}`", mend or "write less of it", "path-unknown")
