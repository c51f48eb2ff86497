"""Fills in addresses, headers and bodies of requests from a delivery.

Between `{` and `}` stands an expression. In an address its value is percent-encoded, so that no value adds a step to
the path; `.` and `..` are refused there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote, urlencode

import orjson

from hub.adapters.contract import Batch, Delivery, Expressions
from hub.errors import Malformed
from hub.settings.secret import Secret

EXPRESSION = re.compile(r"\{([^{}]*)\}")

Text = Callable[[Delivery, Batch], str]
Bytes = Callable[[Delivery, Batch], bytes]
Nested = Mapping[str, Any]


def address(text: str, port: Expressions) -> Text:
    """Return a function that fills in an address; it raises `Malformed` (`url`) for an expression without a value."""
    return _filled(text, port, _in_url)


def headers(written: Mapping[str, str], port: Expressions) -> Callable[[Delivery, Batch], dict[str, str]]:
    """Return a function that fills in headers; secrets are sent as they are. It raises `Malformed` (`header`)."""
    fixed = {name: value for name, value in written.items() if isinstance(value, Secret) or "{" not in value}
    made = {name: _filled(value, port, _in_header) for name, value in written.items() if name not in fixed}

    def fill(delivery: Delivery, batch: Batch) -> dict[str, str]:
        return {**fixed, **{name: value(delivery, batch) for name, value in made.items()}}

    return fill


def body(written: str | Nested, form: Literal["json", "form"], port: Expressions) -> Bytes:
    """Return a function that makes a body from an expression, or from names and an expression each, nested at will.

    What is absent is left out. A text is sent as it is, anything else as JSON, or as fields of a form.
    """
    make = _nested(written, port)

    def fill(delivery: Delivery, batch: Batch) -> bytes:
        value = make(delivery, batch)
        if form == "form":
            fields = {name: plain(part) for name, part in (value or {}).items()}
            return urlencode(fields).encode()
        return value.encode() if isinstance(value, str) else orjson.dumps(value)

    return fill


def _nested(written: Any, port: Expressions) -> Callable[[Delivery, Batch], Any]:
    if isinstance(written, str):
        return port.compile(written)
    if isinstance(written, Mapping):
        parts = {str(name): _nested(part, port) for name, part in written.items()}

        def mapping(delivery: Delivery, batch: Batch) -> dict[str, Any]:
            values = {name: part(delivery, batch) for name, part in parts.items()}
            return {name: value for name, value in values.items() if value is not None}

        return mapping
    if isinstance(written, Sequence):
        listed = [_nested(part, port) for part in written]
        return lambda delivery, batch: [part(delivery, batch) for part in listed]
    return lambda _delivery, _batch: written  # a number or truth value as it stands


def _filled(text: str, port: Expressions, shown: Callable[[str, Any], str]) -> Text:
    texts = EXPRESSION.split(text)
    parts = [(part, port.compile(part) if index % 2 else None) for index, part in enumerate(texts)]

    def fill(delivery: Delivery, batch: Batch) -> str:
        return "".join(shown(part, made(delivery, batch)) if made else part for part, made in parts)

    return fill


def _in_url(text: str, value: Any) -> str:
    if value is None or value in ("", ".", ".."):
        raise Malformed(f"`{text}` in the URL has no value that can stand there", code="url")
    return quote(plain(value), safe="")


def _in_header(text: str, value: Any) -> str:
    shown = "" if value is None else plain(value)
    if value is None or not shown.isascii() or not shown.isprintable():
        raise Malformed(f"`{text}` in a header has no value that can stand there", code="header")
    return shown


def plain(value: Any) -> str:
    """Return a value as text: JSON, unless it is one."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
