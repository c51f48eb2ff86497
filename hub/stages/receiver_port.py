"""A receiver as `app.py` lends it to its owner."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from hub.adapters.contract import Features
from hub.settings.models import Receiver
from hub.stages.numbering import Numbering
from hub.stages.shutters import Shut


@dataclass(frozen=True, slots=True)
class ReceiverPort:
    """A receiver: its number, its settings, how to open its sink, its features, its time zone.

    `protection(subjects)` answers who is protected (True) or not known to the list (False), perhaps of others too,
    `shut(key)` why the receiver takes nothing now; `halt(key, reason)` says that it was paused (`on_dead: stop`).
    `numbering` is set where its system has numbers of its own (`ids:`).
    """

    no: int
    settings: Receiver
    open: Callable[[], Any]
    features: Features
    timezone: dt.tzinfo
    protection: Callable[[Iterable[str]], dict[str, bool]] = field(default=lambda _: {})
    shut: Callable[[str], Shut | None] = field(default=lambda _: None)
    halt: Callable[[str, str], None] = field(default=lambda *_: None)
    numbering: Numbering | None = None
