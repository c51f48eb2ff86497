"""Protection of victims (支援措置): it never ends by itself."""

from typing import Annotated

from hub.events.catalogue.base import EventType, Required, Says
from hub.events.catalogue.common import Dated, Until


class _Protection(Dated):
    kind: Annotated[Required, Says("区分", "kind of protection (DV, ストーカー, 児童虐待 …)")]
    provisional: Annotated[bool, Says("仮支援措置", "true before the decision", "flag")] | None = None
    until: Until | None = None
    together_with: (
        Annotated[list[Required], Says("併せて支援を求める者", "resident numbers protected together", "list")] | None
    ) = None


class ProtectionStarted(_Protection):
    """Protection began, also provisionally."""


class ProtectionEnded(_Protection):
    """Protection was ended by a decision."""


TYPES = (
    EventType("resident.protection-started", 1, ProtectionStarted, "支援措置開始", "protection started"),
    EventType("resident.protection-ended", 1, ProtectionEnded, "支援措置終了", "protection ended"),
)
