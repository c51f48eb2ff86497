"""Contracts with the city: water supply, housing."""

from typing import Annotated

from hub.events.catalogue.base import EventType, Required, Says
from hub.events.catalogue.common import Dated, Reason


class _Contract(Dated):
    contract: Annotated[Required, Says("契約", "the contract: water, housing …")]
    contract_no: Annotated[str, Says("契約番号", "contract number", "number")] | None = None
    reason: Reason | None = None


class Opened(_Contract):
    """A contract began (開栓, 入居)."""


class Closed(_Contract):
    """A contract ended (閉栓, 退去)."""


TYPES = (
    EventType("contract.opened", 1, Opened, "契約開始", "contract opened"),
    EventType("contract.closed", 1, Closed, "契約終了", "contract closed"),
)
