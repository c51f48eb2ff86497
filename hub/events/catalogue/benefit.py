"""Benefits, allowances and subsidies (手当・助成)."""

from typing import Annotated

from hub.events.catalogue.base import EventType, Required, Says
from hub.events.catalogue.common import CertificateNo, Dated, Reason, Until


class _Benefit(Dated):
    benefit: Annotated[Required, Says("給付", "the benefit: jido-teate, kodomo-iryo …")]
    certificate_no: CertificateNo | None = None
    until: Until | None = None
    reason: Reason | None = None


class Granted(_Benefit):
    """A benefit was granted (認定)."""


class Ended(_Benefit):
    """A benefit ended (消滅)."""


TYPES = (
    EventType("benefit.granted", 1, Granted, "給付認定", "benefit granted"),
    EventType("benefit.ended", 1, Ended, "給付終了", "benefit ended"),
)
