"""Applications of residents: what was asked for, and what was decided."""

from typing import Annotated

from pydantic import StringConstraints

from hub.events.catalogue.base import EventData, EventType, JsonObject, Required, Says
from hub.events.catalogue.common import Dated, Reason

_ApplicationNo = Annotated[Required, Says("申請番号", "application number", "number")]


class Attachment(EventData):
    """A file that came with an application; it is kept outside, under its digest."""

    name: Annotated[Required, Says("ファイル名", "the file's name")]
    digest: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$"), Says("内容の SHA-256", "SHA-256, hex")]
    size: Annotated[int, Says("バイト数", "its bytes", "count")]


class Submitted(Dated):
    """An application arrived, on paper, at the counter or online."""

    application_no: _ApplicationNo
    form: Annotated[Required, Says("様式", "the form applied with")]
    channel: Annotated[str, Says("受付経路", "how it came: online, counter, post …")] | None = None
    answers: Annotated[JsonObject, Says("申請内容", "the answers, as the form has them", "json", locating=True)]
    attachments: Annotated[list[Attachment], Says("添付ファイル", "its attachments", "list", locating=True)] | None = (
        None
    )


class Decided(Dated):
    """An application was decided."""

    application_no: _ApplicationNo
    decision: Annotated[Required, Says("決定", "the decision (承認, 却下 …)")]
    reason: Reason | None = None


TYPES = (
    EventType("application.submitted", 1, Submitted, "申請受付", "application submitted"),
    EventType("application.decided", 1, Decided, "申請決定", "application decided"),
)
