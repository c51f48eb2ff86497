"""A catalogue: the event types known, under every name they are written with, and the check of their data."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from hub.errors import Malformed
from hub.events.catalogue.base import EventType
from hub.events.catalogue.faults import did_you_mean, malformed
from hub.events.upcasting import Upcasts


class Catalogue:
    """Event types by short name, each in its current version, and the steps up from older ones."""

    def __init__(self, types: Iterable[EventType], upcasts: Upcasts | None = None) -> None:
        self.types: Mapping[str, EventType] = MappingProxyType({type_.name: type_ for type_ in types})
        self.upcasts = upcasts or Upcasts()
        self._names: dict[str, Mapping[str, tuple[EventType, int]]] = {}

    def names(self, city: str) -> Mapping[str, tuple[EventType, int]]:
        """Return every text that names a type in this city: the short name, and a wire name for each version."""
        if city not in self._names:
            self._names[city] = {
                text: (type_, version) for type_ in self.types.values() for text, version in self._written(type_, city)
            }
        return self._names[city]

    def _written(self, type_: EventType, city: str) -> Iterable[tuple[str, int]]:
        yield type_.name, type_.version
        for version in range(self.upcasts.oldest(type_.name, type_.version), type_.version + 1):
            yield wire_type(city, type_.name, version), version

    def find(self, name: str) -> EventType:
        """Return the type of that short name; raises Malformed (`type-unknown`) with the nearest name."""
        if name not in self.types:
            raise Malformed(f"no event type {name[:100]}", code="type-unknown", mend=did_you_mean(name, self.types))
        return self.types[name]

    def refuse(self, text: str, city: str) -> Malformed:
        """Return why `text` names no type of this city: another city's, an unknown version, an unknown type."""
        try:
            name, version = short_type(text)
        except Malformed as fault:
            return fault
        type_ = self.types.get(name)
        if type_ is None:
            mend = did_you_mean(name, self.types)
            return Malformed(f"no event type {name[:100]}", code="type-unknown", mend=mend)
        if text != wire_type(city, name, version):
            mend = f"write {name}, or {wire_type(city, name, version)}"
            return Malformed(f"{text[:100]} is not a type of the city {city}", code="type-unknown", mend=mend)
        return Malformed(
            f"{name} v{version} is not known here", code="version-unknown", mend=f"the hub knows v{type_.version}"
        )

    def validate(self, name: str, version: int, data: Any) -> None:
        """Check data against its type, raised to the current version first; the data is not changed.

        Raises Malformed: `type-unknown`, `version-unknown`, or `data` naming the field, what is wrong and the mend.
        """
        type_ = self.find(name)
        if version != type_.version:
            if not isinstance(data, dict) or not self.upcasts.oldest(name, type_.version) <= version < type_.version:
                mend = f"the hub knows v{type_.version}"
                raise Malformed(f"{name} v{version} is not known here", code="version-unknown", mend=mend)
            data = self.upcasts.raised(name, version, data, type_.version)
        check(type_, data)


def check(type_: EventType, data: Any) -> None:
    """Check data against the type's current version; raises Malformed (`data`)."""
    try:
        type_.check(data)
    except ValidationError as fault:
        raise malformed(type_, fault) from None


def wire_type(city: str, name: str, version: int) -> str:
    """Return the type as CloudEvents carry it: `jp.lg.<city>.<type>.v<n>`."""
    return f"jp.lg.{city}.{name}.v{version}"


def short_type(wire: str) -> tuple[str, int]:
    """Return (`resident.moved`, 1) for `jp.lg.<city>.resident.moved.v1`; the city is one label.

    A text of another shape is taken as a short type of version 1. Raises Malformed for a wire type without version.
    """
    if not wire.startswith("jp.lg."):
        return wire, 1
    city, _, rest = wire.removeprefix("jp.lg.").partition(".")
    name, mark, version = rest.rpartition(".v")
    if not (city and name and mark and version.isascii() and version.isdigit() and version[0] != "0"):
        mend = "write jp.lg.<city>.<type>.v<n>, or the short type"
        raise Malformed(f"{wire[:100]} is not a wire type", code="type-unknown", mend=mend)
    return name, int(version)
