"""Changes of a household (世帯) that are not moves."""

from typing import Annotated, Literal

from hub.events.catalogue.base import EventType, Says
from hub.events.catalogue.common import Dated, Reason, Relationship


class HouseholdChanged(Dated):
    """A resident's household split, merged, changed its members or its head."""

    kind: Annotated[
        Literal["split", "merge", "member", "head"],
        Says("区分", "what changed: split 世帯分離, merge 世帯合併, member 世帯変更, head 世帯主変更", "choice"),
    ]
    from_household: Annotated[str, Says("異動前世帯番号", "household number before", "number")] | None = None
    to_household: Annotated[str, Says("異動後世帯番号", "household number after", "number", locating=True)] | None = (
        None
    )
    old_head: Annotated[str, Says("旧世帯主", "resident number of the head before", "number")] | None = None
    new_head: Annotated[str, Says("新世帯主", "resident number of the head after", "number")] | None = None
    relationship: Relationship | None = None
    reason: Reason | None = None


TYPES = (EventType("household.changed", 1, HouseholdChanged, "世帯変更", "household changed"),)
