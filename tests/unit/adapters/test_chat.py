"""Chat messages: what they hold, how many deliveries make one, and what services answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.conformance import batch, deliveries
from hub.errors import ConfigurationError, OutcomeUnknown, Rejected, Transient
from tests.conformance.helpers import site, with_data
from tests.services.chat import ChatRoom
from tests.unit.adapters.expressions import REAL

SERVICES = ["webhook", "slack", "teams", "line-works"]


@pytest.fixture
def room() -> Iterator[ChatRoom]:
    made = ChatRoom()
    yield made
    made.stop()


@pytest.fixture
async def opened(tmp_path: Path, room: ChatRoom) -> AsyncIterator[Any]:
    sinks: list[Any] = []

    def open_it(service: str = "webhook", **options: Any) -> Any:
        given = {**room.options(service), "per_second": 1000, **options}
        sinks.append(registry.open_sink("chat", given, site(tmp_path), REAL))
        return sinks[-1]

    yield open_it
    for sink in sinks:
        await sink.close()


async def errors(sink: Any, content: list[Any]) -> list[Any]:
    return [outcome.error for outcome in await sink.deliver(batch(content))]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_digest_is_one_message_and_holds_nothing_of_a_resident(
    room: ChatRoom, opened: Any, service: str
) -> None:
    assert await errors(opened(service), deliveries(3)) == [None] * 3
    (text,) = room.texts
    assert text.split("\n") == ["3", *(f"resident.moved e{n:04d} " for n in range(3))]
    assert "守口" not in str(room.bodies)


async def test_a_template_of_the_city_with_what_is_permitted(room: ChatRoom, opened: Any, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    text = "{count} 件 ({types})\n---\n・{data.name} {data.kana}{subject} {link}\n---\nハブ\n"
    (tmp_path / "templates" / "kaigo-desk.txt").write_text(text, encoding="utf-8")
    sink = opened(template="kaigo-desk", fields=["name", "kana", "subject"], link="https://hub/{event.id}?{batch.no}")
    sound = with_data(deliveries(1)[0], {"name": "守口 太郎"})
    assert await errors(sink, [sound]) == [None]
    assert room.texts == ["1 件 (resident.moved 1)\n・守口 太郎 1000 https://hub/e0000?1\nハブ"]


@pytest.mark.parametrize(
    "text", ["{data.name}", '{data["name"]}', "{event.data.name}", "{subject}", "{event.subject}", '{"a" + subject}']
)
async def test_a_template_that_names_more_than_is_permitted_is_refused(opened: Any, tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="fields"):
        opened(text=text, fields=["kana"])
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "desk.txt").write_text(text)
    with pytest.raises(ConfigurationError, match=r"desk\.txt.*fields"):
        opened(template="desk")


async def test_what_is_not_permitted_is_not_there_whatever_an_expression_asks(room: ChatRoom, opened: Any) -> None:
    sink = opened(text="{event} {has(event.restored)}{size(data)}", fields=["head"])
    delivery = deliveries(1)[0]
    delivery = with_data(delivery, {**delivery.data, "restored": {"name": "守口 花子", "head": True}}, action="cancel")
    await errors(sink, [delivery])
    assert all("守口" not in text and delivery.subject not in text for text in room.texts)


async def test_a_missing_template_is_named(opened: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"templates/desk\.txt"):
        opened(template="desk")


@pytest.mark.parametrize("service", ["teams", "line-works", "slack"])
async def test_what_does_not_fit_goes_into_the_next_message(room: ChatRoom, opened: Any, service: str) -> None:
    content = [with_data(one, {"name": "森" * 1500}) for one in deliveries(120)]
    sink = opened(service, text="{data.name} {delivery.key}", fields=["name"])
    assert await errors(sink, content) == [None] * 120
    keys = [line.split(" ")[1] for text in room.texts for line in text.split("\n")]
    assert keys == [one.key for one in content]
    assert len(room.texts) > 1


async def test_what_never_fits_is_refused_alone(room: ChatRoom, opened: Any) -> None:
    content = deliveries(3)
    content[1] = with_data(content[1], {"name": "森" * 2001})
    sink = opened("line-works", text="{data.name}", fields=["name"])
    first, second, third = await errors(sink, content)
    assert (first, third) == (None, None)
    assert isinstance(second, Rejected)
    assert second.code == "too-large"


async def test_too_many_messages_wait_as_long_as_the_service_says(room: ChatRoom, opened: Any) -> None:
    room.faults = [(429, {"Retry-After": "7"})]
    first, second = await errors(opened("slack"), deliveries(2))
    assert isinstance(first, Transient)
    assert (first.retry_after, first.code, room.texts) == (7.0, "http-429", [])
    assert isinstance(second, Transient)
    room.faults = [(429, {"RateLimit-Reset": "3"})]
    (limited,) = await errors(opened("line-works"), deliveries(1))
    assert limited.retry_after == 3.0


async def test_messages_keep_their_distance(room: ChatRoom, opened: Any) -> None:
    sink = opened("teams", per_second=4)
    for one in deliveries(3):
        await errors(sink, [one])
    assert room.at[2] - room.at[0] >= 0.4  # 4 a second, less what a clock is off
    slow = opened(per_second=0.1)
    await errors(slow, deliveries(1))
    (error,) = await errors(slow, deliveries(1))  # it waits in the ledger, not here
    assert (error.code, error.retry_after > 5) == ("rate", True)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 500, 503])
async def test_a_setting_to_mend_kills_no_message(room: ChatRoom, opened: Any, status: int) -> None:
    room.faults = [(status, {"Content-Type": "text/html"})] * 2
    (error,) = await errors(opened(), deliveries(1))
    assert isinstance(error, Transient)
    assert error.reached
    assert "busy" not in str(error)


async def test_a_message_without_an_answer_is_unknown_and_the_others_wait(room: ChatRoom, opened: Any) -> None:
    room.faults = [None]
    content = [with_data(one, {"name": "森" * 1500}) for one in deliveries(2)]
    first, second = await errors(opened("line-works", text="{data.name}", fields=["name"]), content)
    assert isinstance(first, OutcomeUnknown)
    assert isinstance(second, Transient)
    assert room.texts == []


async def test_a_service_account_proves_itself_refreshes_and_proves_itself_again(room: ChatRoom, opened: Any) -> None:
    sink = opened("line-works")
    assert await errors(sink, deliveries(1)) == [None]
    room.valid = set()  # the token has run out before its time
    assert await errors(sink, deliveries(1)) == [None]
    room.valid, room.refresh = set(), set()
    assert await errors(sink, deliveries(1)) == [None]
    assert room.grants == ["jwt-bearer", "refresh_token", "refresh_token", "jwt-bearer"]


async def test_a_wrong_secret_or_key_is_a_setting_to_mend(room: ChatRoom, opened: Any) -> None:
    login = room.options("line-works")["login"]
    for wrong in ({"client_secret": "other"}, {"private_key": "no key"}):
        (error,) = await errors(opened("line-works", login={**login, **wrong}), deliveries(1))
        assert isinstance(error, Transient)
        assert error.code in {"oauth2", "setting"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"service": "line-works", "url": "https://x"},
        {"url": "ftp://x"},
        {"url": "https://x", "text": "a\n---\n" * 4},
    ],
)
def test_settings_that_are_not_whole_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        registry.settings("chat", "sink", options)
