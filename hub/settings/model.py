"""What every model of a city's files stands on: the base class and the kinds of value many of them share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Text = dict[str, str]  # {"ja": …, "en": …}
Expression = str
Count = Annotated[int, Field(ge=1)]
Clock = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]  # HH:MM
Percent = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?%$")]


class Model(BaseModel):
    """A frozen part of the city; unknown keys are refused, `place` is where it stands.

    `written` is the YAML node it was read from (None when it was made otherwise); `place_of` asks it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    place: str = Field(default="", exclude=True)
    written: Any = Field(default=None, exclude=True, repr=False)

    def place_of(self, *path: str | int) -> str:
        """Return the place of a value as written, `place_of("map", "name")`, or the nearest known one."""
        place: str = self.written.place_of(*path) if self.written is not None else self.place
        return place
