"""Japanese names of event types and of their fields, as the catalogue has them; in other languages as in JSON."""

from __future__ import annotations

from hub.cli.language import lang


def type_name(short: str) -> str:
    """Return an event type for people: `死亡 (resident.died)`; one that the catalogue lacks is itself."""
    from hub.events.catalogue import TYPES

    found = TYPES.get(short) if lang() == "ja" else None
    return f"{found.ja} ({short})" if found is not None else short


def field_name(type_: str, path: str) -> str:
    """Return a field of a type for people: `新住所 (new_address)`; `path` has dots between a field and its parts."""
    from hub.events.catalogue import TYPES

    if lang() != "ja" or type_ not in TYPES:
        return path
    fields, found = TYPES[type_].fields, None
    for step in path.split("."):
        found = fields.get(step)
        if found is None:
            return path
        fields = found.fields
    return f"{found.ja} ({path})" if found is not None else path


def common_name(field: str) -> str:
    """Return a field for people where it is not said of which types: by the name that all of them have for it."""
    from hub.events.catalogue import TYPES

    names = {type_.fields[field].ja for type_ in TYPES.values() if field in type_.fields} if lang() == "ja" else set()
    return f"{names.pop()} ({field})" if len(names) == 1 else field


def short_of(named: str) -> str:
    """Return the short form of an event type that a person names, in Japanese too; anything else is itself."""
    from hub.events.catalogue import TYPES

    return next((short for short, type_ in TYPES.items() if type_.ja == named), named)
