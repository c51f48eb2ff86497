"""Fields that several types share, each described once."""

from typing import Annotated

from pydantic import StringConstraints

from hub.events.catalogue.base import EventData, RealDate, Required, Says

PostalCode = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{3}-?[0-9]{4}$"),
    Says("郵便番号", "postal code, 7 digits, with or without hyphen", "postal_code", locating=True),
]
MunicipalityCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class Address(EventData):
    """An address as text, and its parts where the reporting system knows them."""

    text: Annotated[Required, Says("住所", "the whole address as written")]
    postal_code: PostalCode | None = None
    municipality_code: (
        Annotated[MunicipalityCode, Says("市区町村コード", "municipality code, 6 digits", "municipality")] | None
    ) = None
    town: Annotated[str, Says("町字", "town and chome")] | None = None
    block: Annotated[str, Says("番地・番号", "block and house number")] | None = None
    building: Annotated[str, Says("方書", "building and room")] | None = None


class Dated(EventData):
    """What every type has: the day it takes effect and the day the city was notified."""

    effective_on: Annotated[RealDate, Says("異動日", "the day it takes effect", "date", format="date")]
    notified_on: Annotated[RealDate, Says("届出日", "the day the city was notified", "date", format="date")] | None = (
        None
    )


FullName = Annotated[Required, Says("氏名", "full name as registered", "name")]
OldName = Annotated[Required, Says("変更前の氏名", "full name before the change", "name")]
Kana = Annotated[str, Says("氏名カナ", "full name in kana", "kana")]
BirthDate = Annotated[RealDate, Says("生年月日", "date of birth", "date", format="date")]
Sex = Annotated[str, Says("性別", "sex as registered")]
Reason = Annotated[str, Says("事由", "the reason as the reporting system names it")]
Relationship = Annotated[str, Says("続柄", "relationship to the head of household")]
HouseholdNo = Annotated[str, Says("世帯番号", "household number", "number", locating=True)]
CurrentAddress = Annotated[Address, Says("住所", "address", "address", locating=True)]
NewAddress = Annotated[Address, Says("新住所", "address after the change", "address", locating=True)]
OldAddress = Annotated[Address, Says("旧住所", "address before the change", "address", locating=True)]
CertificateNo = Annotated[str, Says("証番号", "certificate number", "number")]
Until = Annotated[RealDate, Says("期限", "the last day it holds", "date", format="date")]
