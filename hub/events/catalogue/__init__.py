"""The catalogue of event types: one module per family, every field described in Japanese and English."""

from typing import Any

from hub.events.catalogue import (
    application,
    benefit,
    contract,
    correction,
    form,
    guardian,
    household,
    insurance,
    protection,
    resident,
    tax,
)
from hub.events.catalogue.base import EventData, EventType, Field
from hub.events.catalogue.common import Address
from hub.events.catalogue.registry import Catalogue

__all__ = ["CATALOGUE", "TYPES", "Address", "Catalogue", "EventData", "EventType", "Field", "validate"]

CATALOGUE = Catalogue(
    (
        *resident.TYPES,
        *guardian.TYPES,
        *household.TYPES,
        *protection.TYPES,
        *insurance.TYPES,
        *benefit.TYPES,
        *contract.TYPES,
        *tax.TYPES,
        *application.TYPES,
        *form.TYPES,
        *correction.TYPES,
    )
)
TYPES = CATALOGUE.types


def validate(name: str, version: int, data: Any) -> None:
    """Check data against the type in the hub's own catalogue; see `Catalogue.validate`."""
    CATALOGUE.validate(name, version, data)
