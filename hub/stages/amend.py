"""What an `event.corrected` or an `event.cancelled` is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.events.catalogue import TYPES
from hub.events.envelope import identity
from hub.events.wire import Wire, source_of, system_of
from hub.stages.history import AMENDMENTS


def targets_of(wire: Wire, data: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return how a correction may name its target, the likeliest first: `(form, source, id or number)`.

    `form` is `id` or `sequence`. A bare `event_id` is of the correction's own source; ids may hold slashes.
    """
    if data.get("event_id"):
        text = str(data["event_id"])
        cuts = [index for index, letter in enumerate(text) if letter == "/" and index]
        return [("id", source_of(wire.source), text), *(("id", source_of(text[:cut]), text[cut + 1 :]) for cut in cuts)]
    if data.get("source"):
        source, values = source_of(str(data["source"])), data["identity"]
        typed = values if isinstance(values, list) else [values]  # a source of several types adds the type (Ids)
        forms = [values, *([*typed, name] for name in TYPES if name not in AMENDMENTS)]
        return [("id", source, identity(system_of(source), form)) for form in forms]
    return [("sequence", source_of(wire.source), str(data["sequence"]))]
