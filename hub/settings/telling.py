"""How `alerts` of hub.yaml is read: whom to tell of trouble."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hub.settings.alerting import Alerts, Mail, Webhook
from hub.settings.reader import Reader
from hub.settings.shapes import Shape, Wrong, duration, one_or_more, word

if TYPE_CHECKING:
    from hub.settings.yaml import Node

MAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


def read_alerts(reader: Reader, node: Node | None) -> Alerts | None:
    """Return whom to tell, None when it is not written or wrong. A plain address is a webhook or chat of its own."""
    if node is None or not reader.mapping(node, "`alerts`"):
        return None
    hooks: dict[str, Shape] = {"url": reader.plain, "headers": reader.options, "proxy": reader.plain}
    mails: dict[str, Shape] = {
        "from": mail_address,
        "to": one_or_more(mail_address),
        "user": reader.plain,
        "password": reader.plain,
    }
    apart: dict[str, Any] = {
        key: tuple(_channels(reader, node.items[key], key, hooks, mails))
        for key in ("webhook", "chat", "mail")
        if key in node.items
    }
    head = node.without(apart)
    return reader.build(Alerts, head, "`alerts`", {"breaker_after": duration, "quiet": duration}, written=node, **apart)


def _channels(
    reader: Reader, node: Node, key: str, hooks: dict[str, Shape], mails: dict[str, Shape]
) -> list[Webhook | Mail]:
    parts = list(node.items.values()) if isinstance(node.value, list) else [node]
    built = [
        reader.build(Mail, part, "`mail`", mails)
        if key == "mail"
        else reader.build(Webhook, _long(part), f"`{key}`", hooks)
        for part in parts
    ]
    return [channel for channel in built if channel is not None]


def mail_address(node: Node) -> str:
    """Return an address people get mail at."""
    if not MAIL_ADDRESS.fullmatch(word(node)):
        raise Wrong(node, f"`{node.value}` is no mail address", "write name@host")
    return str(node.value)


def _long(node: Node) -> Node:
    return node if isinstance(node.value, dict) else node.under("url")
