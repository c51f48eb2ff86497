"""Changes of a resident's own record: where they live, birth, death, name, marriage."""

from typing import Annotated

from hub.events.catalogue.base import EventType, RealDate, Says
from hub.events.catalogue.common import (
    Address,
    BirthDate,
    CurrentAddress,
    Dated,
    FullName,
    HouseholdNo,
    Kana,
    MunicipalityCode,
    NewAddress,
    OldAddress,
    OldName,
    Reason,
    Relationship,
    Sex,
)


class _Move(Dated):
    name: FullName
    kana: Kana | None = None
    birth_date: BirthDate | None = None
    sex: Sex | None = None
    household_no: HouseholdNo | None = None
    old_household_no: Annotated[str, Says("旧世帯番号", "household number before the move", "number")] | None = None
    relationship: Relationship | None = None
    head: Annotated[str, Says("世帯主", "resident number of the head of household", "number")] | None = None
    reason: Reason | None = None


class Moved(_Move):
    """A resident moved within the city (転居)."""

    old_address: OldAddress
    new_address: NewAddress


class MovedIn(_Move):
    """A resident moved into the city (転入)."""

    old_address: OldAddress | None = None
    new_address: NewAddress
    from_municipality: (
        Annotated[MunicipalityCode, Says("転入元市区町村コード", "municipality moved from, 6 digits", "municipality")]
        | None
    ) = None


class MovedOut(_Move):
    """A resident moved out of the city (転出)."""

    old_address: OldAddress
    new_address: NewAddress | None = None
    to_municipality: (
        Annotated[
            MunicipalityCode,
            Says("転出先市区町村コード", "municipality moved to, 6 digits", "municipality", locating=True),
        ]
        | None
    ) = None


class AddressRenumbered(Dated):
    """The same place got another address (住居表示, 町名変更): not a move."""

    old_address: OldAddress
    new_address: NewAddress
    name: FullName | None = None
    household_no: HouseholdNo | None = None


class Born(Dated):
    """A child was born (出生)."""

    name: FullName
    kana: Kana | None = None
    birth_date: BirthDate
    sex: Sex | None = None
    address: CurrentAddress | None = None
    household_no: HouseholdNo | None = None
    relationship: Relationship | None = None
    guardian: (
        Annotated[str, Says("保護者", "resident number of the parent or guardian", "number", locating=True)] | None
    ) = None


class Died(Dated):
    """A resident died (死亡)."""

    name: FullName
    kana: Kana | None = None
    birth_date: BirthDate | None = None
    died_on: Annotated[RealDate, Says("死亡日", "date of death", "date", format="date")]
    address: CurrentAddress | None = None
    household_no: HouseholdNo | None = None
    informant: Annotated[str, Says("届出人", "who notified the death", "name", locating=True)] | None = None


class NameChanged(Dated):
    """A resident's name changed (氏名変更, 旧氏, 通称)."""

    old_name: OldName
    name: FullName
    kana: Kana | None = None
    birth_date: BirthDate | None = None
    address: CurrentAddress | None = None
    household_no: HouseholdNo | None = None
    reason: Reason | None = None


class _Registered(Dated):
    partner: Annotated[str, Says("相手方", "resident number of the partner", "number")] | None = None
    name: FullName
    kana: Kana | None = None
    old_name: OldName | None = None
    registered_on: Annotated[RealDate, Says("届出受理日", "the day it was registered", "date", format="date")]


class Married(_Registered):
    """A marriage was registered (婚姻)."""


class Divorced(_Registered):
    """A divorce was registered (離婚): by itself it changes neither address nor household."""


class MailingChanged(Dated):
    """Where letters go changed (送付先); without an address, letters go home again."""

    mailing_address: Annotated[Address, Says("送付先住所", "where letters go", "address", locating=True)] | None = None
    reason: Reason | None = None


TYPES = (
    EventType("resident.moved", 1, Moved, "転居", "moved within the city"),
    EventType("resident.moved-in", 1, MovedIn, "転入", "moved into the city"),
    EventType("resident.moved-out", 1, MovedOut, "転出", "moved out of the city"),
    EventType("resident.address-renumbered", 1, AddressRenumbered, "住居表示・町名変更", "address renumbered"),
    EventType("resident.born", 1, Born, "出生", "born"),
    EventType("resident.died", 1, Died, "死亡", "died"),
    EventType("resident.name-changed", 1, NameChanged, "氏名変更", "name changed"),
    EventType("resident.married", 1, Married, "婚姻", "married"),
    EventType("resident.divorced", 1, Divorced, "離婚", "divorced"),
    EventType("resident.mailing-changed", 1, MailingChanged, "送付先変更", "mailing address changed"),
)
