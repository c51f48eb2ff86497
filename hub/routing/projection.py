"""What a receiver is sent: the fields of `send` and nothing else, joined from the event's own bytes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

if TYPE_CHECKING:
    from hub.routing.rules import Rule, SendItem

Fragments = Mapping[str, bytes | msgspec.Raw]
Fragment = bytes | msgspec.Raw
_Emit = Callable[[Fragments, Mapping[str, Any] | None], Fragment | None]

_object_fragments = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DATA_PATH = re.compile(r"\s*data((?:\.[A-Za-z_][A-Za-z0-9_]*)+)\s*")


class Sent(NamedTuple):
    """One item of `send`, read.

    `out` is where the value stands in the delivery's data; `field` is where it stands in the event's data when it is
    copied as received, else None and `expression` computes it. `renamed` says it was written `{name: data.field}`.
    """

    out: tuple[str, ...]
    field: tuple[str, ...] | None
    expression: str | None
    renamed: bool = False

    @property
    def name(self) -> str:
        """Return the name as the delivery shows it, dotted when nested."""
        return ".".join(self.out)


def sent(send: Iterable[SendItem]) -> Iterator[Sent]:
    """Read the items of `send` in order: a name, a dotted name, or `{name: expression}`."""
    for item in send:
        if isinstance(item, str):
            path = tuple(item.split("."))
            yield Sent(path, path, None)
            continue
        for name, expression in item.items():
            if copied := _DATA_PATH.fullmatch(expression):
                yield Sent((name,), tuple(copied[1][1:].split(".")), expression, renamed=True)
            else:
                yield Sent((name,), None, expression)


class Projection:
    """Builds one rule's data object from raw JSON fragments; values pass through byte for byte.

    Rules with equal `key` project the same event to the same bytes, so their receivers can share one encoding.
    """

    __slots__ = ("_emitters", "_plain", "key")

    def __init__(self, rule: Rule) -> None:
        self.key: str = sys.intern(orjson.dumps(rule.send).decode())
        items = list(sent(rule.send))
        copied = all(item.field == item.out and len(item.out) == 1 for item in items)
        self._plain = tuple((name, _prefix(name)) for name in dict.fromkeys(i.name for i in items)) if copied else None
        self._emitters = () if copied else tuple(_emitters(items))

    def data(self, raw: Fragments, values: Mapping[str, Any] | None, before: bytes = b"", after: bytes = b"") -> bytes:
        """Return the JSON object of the fields of `send`, between `before` and `after`.

        `raw` maps each field of the event's data to its JSON bytes; `values` is what the plan computed. A field that is
        not there stays absent.
        """
        parts: list[Fragment] = [before, b"{"]
        if self._plain is not None:
            for name, prefix in self._plain:
                fragment = raw.get(name)
                if fragment is not None:
                    parts.append(prefix)
                    parts.append(fragment)
        else:
            for prefix, emit in self._emitters:
                fragment = emit(raw, values)
                if fragment is not None:
                    parts.append(prefix)
                    parts.append(fragment)
        if len(parts) > 2:
            parts[2] = parts[2][1:]  # the first has no comma before it
        parts.append(b"}")
        parts.append(after)
        return b"".join(parts)


def _prefix(name: str) -> bytes:
    return b"," + orjson.dumps(name) + b":"


def _emitters(items: list[Sent]) -> Iterator[tuple[bytes, _Emit]]:
    """Yield, per top-level name in the order of `send`, its prefix and what makes its value."""
    whole = {item.out[0]: item for item in items if len(item.out) == 1}
    parts: dict[str, list[tuple[str, ...]]] = {}
    for item in items:
        parts.setdefault(item.out[0], []).append(item.out[1:])
    for name, below in parts.items():
        top = whole.get(name)
        if top is None:
            yield _prefix(name), _nested(name, below)
        elif top.field is None:
            yield _prefix(name), _computed(name)
        else:
            yield _prefix(name), _copied(top.field, renamed=top.renamed)


def _computed(name: str) -> _Emit:
    def emit(_raw: Fragments, values: Mapping[str, Any] | None) -> Fragment | None:
        return orjson.dumps(values[name]) if values is not None and name in values else None

    return emit


def _copied(field: tuple[str, ...], *, renamed: bool) -> _Emit:
    """Copy a field as received; written as an expression, a null is a missing value and stays absent."""

    def emit(raw: Fragments, _values: Mapping[str, Any] | None) -> Fragment | None:
        fragment: Fragment | None = raw.get(field[0])
        for name in field[1:]:
            fragment = _inside(fragment).get(name)
        return None if fragment is None or (renamed and bytes(fragment) == b"null") else fragment

    return emit


def _nested(name: str, below: list[tuple[str, ...]]) -> _Emit:
    """Keep a dotted name's nesting: `a.b` and `a.c` become one object `a`."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for path in below:
        groups.setdefault(path[0], []).append(path[1:])
    children: list[tuple[bytes, _Emit]] = []
    for child, paths in groups.items():
        emit = _copied((child,), renamed=False) if () in paths else _nested(child, paths)
        children.append((_prefix(child), emit))

    def emit_nested(raw: Fragments, values: Mapping[str, Any] | None) -> Fragment | None:
        inside = _inside(raw.get(name))
        parts: list[Fragment] = []
        for prefix, emit in children:
            fragment = emit(inside, values)
            if fragment is not None:
                parts.append(prefix)
                parts.append(fragment)
        return b"{" + b"".join(parts)[1:] + b"}" if parts else None

    return emit_nested


def _inside(fragment: Fragment | None) -> dict[str, msgspec.Raw]:
    try:
        return {} if fragment is None else _object_fragments.decode(fragment)
    except msgspec.ValidationError:  # something other than an object has no fields
        return {}
