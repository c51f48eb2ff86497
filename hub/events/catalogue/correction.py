"""Events about events: one was wrong, or never should have been."""

from typing import Annotated

from pydantic import ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from hub.events.catalogue.base import EventType, JsonList, JsonObject, Required, Says
from hub.events.catalogue.common import Dated, Reason

_FORMS = (frozenset({"event_id"}), frozenset({"source", "identity"}), frozenset({"subject", "sequence"}))


class Cancelled(Dated):
    """An earlier event is taken back. The target is named in exactly one of three ways."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [*sorted(form)]} for form in _FORMS]})

    event_id: (
        Annotated[Required, Says("対象イベントID", "the target's id, or <source system>/<id>", "number")] | None
    ) = None
    source: Annotated[Required, Says("対象の発生元", "the target's source; goes with identity")] | None = None
    identity: (
        Annotated[JsonList | JsonObject, Says("対象の識別値", "the target's identity values; goes with source", "json")]
        | None
    ) = None
    subject: (
        Annotated[Required, Says("対象の宛名番号", "the target's subject; goes with sequence", "number")] | None
    ) = None
    sequence: (
        Annotated[int | Required, Says("対象の履歴番号", "the target's sequence; goes with subject", "count")] | None
    ) = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _one_target(self) -> "Cancelled":
        given = {name for form in _FORMS for name in form if getattr(self, name) is not None}
        if given not in _FORMS:
            raise PydanticCustomError(
                "target",
                "must name its target in exactly one way, and has {given}",
                {"given": ", ".join(sorted(given)) or "none"},
            )
        return self


class Corrected(Cancelled):
    """An earlier event is replaced by the right one; `data` is the whole right payload of the target's type."""

    data: Annotated[JsonObject, Says("正しい内容", "the whole right payload", "json", locating=True)]


TYPES = (
    EventType("event.corrected", 1, Corrected, "イベントの訂正", "event corrected"),
    EventType("event.cancelled", 1, Cancelled, "イベントの取消し", "event cancelled"),
)
