"""Mails: what they hold, by what they are known, and what a mail server answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.conformance import batch, deliveries
from hub.errors import ConfigurationError, OutcomeUnknown, Rejected, Transient
from tests.conformance.helpers import site
from tests.services.post_office import PostOffice
from tests.unit.adapters.expressions import REAL


@pytest.fixture
def office(tmp_path: Path) -> Iterator[PostOffice]:
    made = PostOffice(tmp_path)
    yield made
    made.stop()


async def send(office: PostOffice, folder: Path, **options: Any) -> Any:
    sink = registry.open_sink("mail", office.options(**options), site(folder), REAL)
    (outcome,) = await sink.deliver(batch(deliveries(1)))
    await sink.close()
    return outcome


async def test_a_mail_and_what_it_holds(office: PostOffice, tmp_path: Path) -> None:
    text = "{event.type} の届出\n---\n氏名: {data.name}\n世帯: {data.household_no}"
    options = {"subject": "届出 {event.id}\n", "text": text, "fields": ["name", "household_no"], "attach": "json"}
    assert (await send(office, tmp_path, **options)).error is None
    (mail,) = office.mails
    assert (mail["Subject"], mail["From"]) == ("届出 e0000", "hub@city.example")
    assert office.people == [["desk@city.example", "chief@city.example"]]
    assert '氏名: 守口 "0"' in mail.get_body().get_content()
    (attached,) = mail.iter_attachments()
    assert attached.get_content_type() == "application/cloudevents+json"
    assert "守口".encode() in attached.get_content()
    assert b"head" not in attached.get_content()


async def test_by_itself_a_mail_holds_nothing_of_a_resident(office: PostOffice, tmp_path: Path) -> None:
    await send(office, tmp_path, attach="json")
    assert "守口" not in office.mails[0].as_string()
    assert "守口".encode() not in next(office.mails[0].iter_attachments()).get_content()
    with pytest.raises(ConfigurationError, match="fields"):
        await send(office, tmp_path, subject="{data.name}")


async def test_a_repeat_is_known_by_its_message_id(office: PostOffice, tmp_path: Path) -> None:
    for _ in range(2):
        await send(office, tmp_path)
    first, second = (mail["Message-ID"] for mail in office.mails)
    assert first == second
    assert first.endswith(".city@city.example>")
    assert "e0000" not in first


@pytest.mark.parametrize(
    ("answer", "kind", "code"), [("451 later", Transient, "mail-451"), ("552 too large", Rejected, "mail-552")]
)
async def test_what_the_server_says_of_a_mail(
    office: PostOffice, tmp_path: Path, answer: str, kind: type, code: str
) -> None:
    office.answer = answer
    error = (await send(office, tmp_path)).error
    assert (type(error), error.code) == (kind, code)


async def test_a_setting_to_mend_kills_no_mail(office: PostOffice, tmp_path: Path) -> None:
    wrong = {"password": "other"}, {"tls": None}, {"security": "none"}
    for options in wrong:
        assert isinstance((await send(office, tmp_path, **options)).error, Transient)
    office.refused = {"desk@city.example", "chief@city.example"}
    error = (await send(office, tmp_path)).error
    assert (type(error), error.code) == (Transient, "mail-refused")
    assert office.mails == []


async def test_an_address_that_is_refused_beside_others_is_named(office: PostOffice, tmp_path: Path) -> None:
    office.refused = {"desk@city.example"}
    outcome = await send(office, tmp_path)
    assert (outcome.error, outcome.detail) == (None, "refused: desk@city.example")
    assert office.people == [["chief@city.example"]]


async def test_a_mail_without_an_answer_is_unknown(office: PostOffice, tmp_path: Path) -> None:
    office.hangs_up = True
    assert isinstance((await send(office, tmp_path)).error, OutcomeUnknown)


@pytest.mark.parametrize("wrong", [{"to": []}, {"to": ["係"]}, {"from": "a b@c"}, {"to": ["a@b>,c"]}])
def test_an_address_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    options = {"host": "mail", "from": "hub@city.example", "to": ["desk@city.example"], **wrong}
    with pytest.raises(ConfigurationError):
        registry.settings("mail", "sink", options)
