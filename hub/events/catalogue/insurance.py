"""Public insurance: who belongs to which scheme."""

from typing import Annotated

from hub.events.catalogue.base import EventType, Required, Says
from hub.events.catalogue.common import CertificateNo, Dated, Reason


class _Membership(Dated):
    scheme: Annotated[Required, Says("制度", "the scheme: kokuho, koki, kaigo, nenkin …")]
    certificate_no: CertificateNo | None = None
    kind: Annotated[str, Says("被保険者区分", "kind of membership (第1号, 退職 …)")] | None = None
    reason: Reason | None = None


class Enrolled(_Membership):
    """A resident became a member (資格取得)."""


class Left(_Membership):
    """A resident ceased to be a member (資格喪失)."""


TYPES = (
    EventType("insurance.enrolled", 1, Enrolled, "資格取得", "enrolled in an insurance"),
    EventType("insurance.left", 1, Left, "資格喪失", "left an insurance"),
)
