"""Local taxes: that one was assessed, never how much."""

from typing import Annotated

from pydantic import Field, StringConstraints

from hub.events.catalogue.base import EventType, Required, Says
from hub.events.catalogue.common import Dated

_YearNumber = Annotated[int, Field(ge=1868, le=9999)]
_YearText = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$")]


class Assessed(Dated):
    """A tax was assessed (賦課決定); amounts stay with the tax office."""

    tax: Annotated[Required, Says("税目", "the tax: juminzei, kotei, keiji …")]
    year: Annotated[_YearNumber | _YearText, Says("年度", "fiscal year, four digits", "count")]
    status: Annotated[Required, Says("課税区分", "the result (課税, 非課税, 均等割のみ …)")]


TYPES = (EventType("tax.assessed", 1, Assessed, "賦課決定", "tax assessed"),)
