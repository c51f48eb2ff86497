"""Adult guardianship (成年後見): who acts for a resident."""

from typing import Annotated

from hub.events.catalogue.base import EventType, Required, Says
from hub.events.catalogue.common import Dated


class _Guardianship(Dated):
    guardian: Annotated[Required, Says("後見人", "number of the guardian", "number", locating=True)]
    kind: Annotated[str, Says("類型", "kind of guardianship (後見, 保佐, 補助 …)")] | None = None


class GuardianAppointed(_Guardianship):
    """A guardian was appointed."""


class GuardianEnded(_Guardianship):
    """A guardianship ended."""


TYPES = (
    EventType("guardian.appointed", 1, GuardianAppointed, "後見開始", "guardian appointed"),
    EventType("guardian.ended", 1, GuardianEnded, "後見終了", "guardianship ended"),
)
