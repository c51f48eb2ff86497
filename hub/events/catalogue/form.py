"""Paper forms read by machine (AI-OCR)."""

from typing import Annotated, Self

from pydantic import model_validator

from hub.events.catalogue.base import PERSONAL_NUMBER, EventData, EventType, Required, Says
from hub.events.catalogue.common import Dated
from hub.events.personal import is_personal_number


class ScannedField(EventData):
    """One field of a scanned form: what was read, and how sure the reader is."""

    name: Annotated[Required, Says("項目名", "name of the field on the form")]
    value: Annotated[str, Says("読取値", "what was read")]
    confidence: Annotated[int | float, Says("確信度", "how sure the reader is, on its own scale", "count")] | None = (
        None
    )

    @model_validator(mode="after")
    def _no_personal_number(self) -> Self:
        if self.value and is_personal_number(self.name):
            raise PERSONAL_NUMBER
        return self


class Scanned(Dated):
    """A form was scanned and read."""

    form: Annotated[Required, Says("様式", "the form")]
    document: Annotated[Required, Says("文書番号", "number or name of the scanned document", "number")]
    fields: Annotated[list[ScannedField], Says("読取項目", "the fields as read", "list", locating=True)]


TYPES = (EventType("form.scanned", 1, Scanned, "帳票読取", "form scanned"),)
