"""Settings that are secrets by their type and stand in plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel

from hub.settings.secret import Secret
from hub.settings.spots import Path

_HERE = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\])[:/]")


def unhidden(model: type[BaseModel], given: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the path of each secret that was written as it is, at any depth.

    A setting whose type admits other texts too (`Secret | str`, values of a mapping) may be a secret, and need not; nor
    is an address on this machine one.
    """
    for name, field in model.model_fields.items():
        key = field.alias or name
        value = given.get(key, given.get(name))
        kinds = {*(get_args(field.annotation) or (field.annotation,))} - {NoneType}
        if kinds == {Secret} and isinstance(value, str) and not (isinstance(value, Secret) or _HERE.match(value)):
            yield (key,)
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, Mapping):
                yield from ((key, *path) for path in unhidden(kind, value))
