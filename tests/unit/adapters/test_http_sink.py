"""What the `http` sink sends beside the CloudEvent, and how it logs in; a real service behind TLS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
import trustme

from hub.adapters import registry
from hub.adapters.conformance import batch, deliveries
from hub.adapters.contract import Outcome
from hub.errors import ConfigurationError, HubError, OutcomeUnknown, Rejected, Transient
from hub.settings.secret import Secret
from tests.conformance.helpers import site, with_data
from tests.integration.kafka.until import until
from tests.services.rest import HTML, JSON, Rest
from tests.unit.adapters.expressions import REAL

Open = Any


@pytest.fixture
def rest() -> Iterator[Rest]:
    rest = Rest()
    yield rest
    rest.stop()


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    sinks: list[Any] = []

    def open_it(rest: Rest, path: str = "/told", **options: Any) -> Any:
        sinks.append(registry.open_sink("http", {"url": rest.url + path, **options}, site(tmp_path), REAL))
        return sinks[-1]

    yield open_it
    for sink in sinks:
        await sink.close()


async def send(sink: Any, delivery: Any = None) -> HubError | None:
    (outcome,) = await sink.deliver(batch([delivery or deliveries(1)[0]]))
    error: HubError | None = outcome.error
    return error


async def test_a_body_of_names_and_expressions(rest: Rest, opened: Open) -> None:
    body = {"atenabango": "subject", "shimei": "data.name", "kana": "data.kana", "keys": {"no": "delivery.no"}, "v": 2}
    sink = opened(rest, body=body, headers={"X-Batch": "b{batch.no}"})
    assert await send(sink, with_data(deliveries(1)[0], {"name": "守口 太郎"})) is None
    _, _, headers, content = rest.requests[-1]
    assert orjson.loads(content) == {"atenabango": "1000", "shimei": "守口 太郎", "keys": {"no": 1}, "v": 2}
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    assert headers["X-Batch"] == "b1"


async def test_a_body_as_a_form_and_as_a_text(rest: Rest, opened: Open) -> None:
    assert await send(opened(rest, body={"氏名": "data.name", "n": "batch.no"}, encode="form")) is None
    assert parse_qs(rest.requests[-1][3].decode())["n"] == ["1"]
    assert await send(opened(rest, body='"<told>" + subject + "</told>"', headers={"Content-Type": "text/xml"})) is None
    assert rest.requests[-1][3] == b"<told>1000</told>"
    assert rest.requests[-1][2]["Content-Type"] == "text/xml"


async def test_a_secret_in_a_header_is_no_template(rest: Rest, opened: Open) -> None:
    assert await send(opened(rest, headers={"X-Key": Secret("a{b}c")})) is None
    assert rest.requests[-1][2]["X-Key"] == "a{b}c"


@pytest.mark.parametrize("name", ["..", ".", ""])
async def test_a_value_never_climbs_out_of_the_path(rest: Rest, opened: Open, name: str) -> None:
    error = await send(opened(rest, "/residents/{data.name}/told"), with_data(deliveries(1)[0], {"name": name}))
    assert isinstance(error, Rejected)
    assert rest.requests == []


async def test_a_header_is_no_place_for_a_line_break(rest: Rest, opened: Open) -> None:
    sink = opened(rest, headers={"X-Name": "{data.name}"})
    error = await send(sink, with_data(deliveries(1)[0], {"name": "a\r\nX-Admin: 1"}))
    assert isinstance(error, Rejected)
    assert rest.requests == []


@pytest.mark.parametrize(
    ("statuses", "status", "kind"),
    [
        ({"done": [409]}, 409, None),
        ({"transient": [409]}, 409, Transient),
        ({"rejected": ["5xx"]}, 500, Rejected),
        ({"rejected": ["5xx"], "transient": [503]}, 503, Transient),
        ({"transient": ["4xx"]}, 422, Transient),
    ],
)
async def test_a_city_says_what_a_status_means(
    rest: Rest, opened: Open, statuses: dict[str, Any], status: int, kind: type | None
) -> None:
    rest.fault = lambda *_: (status, {}, b"")
    error = await send(opened(rest, statuses=statuses))
    assert error is None if kind is None else type(error) is kind


async def test_the_standards_errors_have_their_names(rest: Rest, opened: Open) -> None:
    errors = [{"code": "E0001", "message": "守口太郎"}, {"code": "E0004", "message": "x"}, {"code": "E9999"}]
    rest.fault = lambda *_: (400, JSON, orjson.dumps({"title": "t", "detail": "守口", "errors": errors}))
    error = await send(opened(rest))
    assert isinstance(error, Rejected)
    assert error.code == "E0001"
    assert error.message == "HTTP 400: E0001 a required item is missing; E0004 items contradict each other"


@pytest.mark.parametrize(
    ("shows", "body", "said"),
    [
        ([], {"code": "E17", "error": "住所が長すぎます"}, ": E17"),
        ([], {"code": 1000001, "error": "x"}, ""),
        ([], {"code": "1000001"}, ""),
        (["error"], {"code": "E17", "error": "住所が長すぎます"}, ": E17; 住所が長すぎます"),
        (["code"], {"code": 17}, ": 17"),
        (["errors.message"], {"errors": [{"code": "E0001", "message": "a"}, {"message": "b"}]}, ": E0001 *; a; b"),
        (["error.text", "none.at.all"], {"error": {"text": "長" * 300}}, f": {'長' * 200}"),
        (["error"], ["no", "names"], ""),
        (["error"], {"error": {"name": "守口太郎"}}, ""),
    ],
)
async def test_what_a_refusal_says_is_kept_where_the_city_names_it(
    rest: Rest, opened: Open, shows: list[str], body: Any, said: str
) -> None:
    rest.fault = lambda *_: (400, JSON, orjson.dumps(body))
    error = await send(opened(rest, shows=shows))
    assert isinstance(error, Rejected)
    assert error.message == f"HTTP 400{said}".replace("*", "a required item is missing")


async def test_the_5xx_that_is_no_json_is_tried_later(rest: Rest, opened: Open) -> None:
    rest.fault = lambda *_: HTML
    error = await send(opened(rest))
    assert isinstance(error, Transient)
    assert error.reached
    assert error.message == "HTTP 503"


async def test_what_was_lost_is_asked_for(rest: Rest, opened: Open) -> None:
    sink = opened(rest, idempotent=False, timeout=0.2, confirm={"url": rest.url + "/told/{delivery.key}"})
    first, second = deliveries(2)
    rest.fault = lambda method, _: 0.4 if method == "POST" else None  # it takes effect after we have given up
    assert isinstance(await send(sink, first), OutcomeUnknown)
    await until(lambda: rest.kept)
    answers = await sink.confirm(batch([first, second]))
    assert answers[0] == Outcome(first.key)
    assert isinstance(answers[1].error, Transient)
    rest.fault = lambda *_: HTML
    with pytest.raises(Transient):
        await sink.confirm(batch([first]))
    rest.fault = lambda *_: (403, {}, b"")
    with pytest.raises(Transient):
        await sink.confirm(batch([first]))
    rest.fault = lambda *_: (410, {}, b"")
    assert await sink.confirm(batch([first])) == [None]


async def test_basic_and_an_api_key(rest: Rest, opened: Open) -> None:
    assert await send(opened(rest, basic={"user": "hub", "password": "秘密"}, api_key={"key": "k"})) is None
    headers = rest.requests[-1][2]
    assert headers["Authorization"] == "Basic aHViOuenmOWvhg=="
    assert headers["X-API-Key"] == "k"


async def test_a_token_that_has_run_out_is_asked_for_once(rest: Rest, opened: Open) -> None:
    sink = opened(rest, oauth2=rest.oauth2())
    assert await send(sink) is None
    rest.tokens.clear()
    assert await send(sink, deliveries(1, start=1)[0]) is None
    assert len(rest.asked("/token")) == 2
    assert len(rest.kept) == 2


async def test_a_token_is_not_used_to_its_last_second(rest: Rest, opened: Open) -> None:
    rest.lifetime = 0
    sink = opened(rest, oauth2=rest.oauth2())
    for number in range(2):
        assert await send(sink, deliveries(1, start=number)[0]) is None
    assert len(rest.asked("/token")) == 2


async def test_no_token_is_no_unknown_outcome(rest: Rest, opened: Open) -> None:
    rest.fault = lambda _, path: 0.5 if path == "/token" else None
    error = await send(opened(rest, oauth2=rest.oauth2(), idempotent=False, timeout=0.1))
    assert isinstance(error, Transient)
    assert not error.reached
    assert rest.kept == {}


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Rest]:
    """A service that asks for the hub's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    rest = Rest(tls=context)
    yield rest
    rest.stop()


def certificate(folder: Path, authority: trustme.CA, name: str) -> dict[str, str]:
    issued = authority.issue_cert("hub@city.test")
    issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(folder / f"{name}.pem"), append=True)
    authority.cert_pem.write_to_path(str(folder / f"{name}-ca.pem"))
    return {"ca": f"{name}-ca.pem", "certificate": f"{name}.pem", "key": f"{name}.key"}


async def test_both_sides_show_their_certificates(
    secure: Rest, opened: Open, tmp_path: Path, authority: trustme.CA
) -> None:
    assert await send(opened(secure, tls=certificate(tmp_path, authority, "hub"))) is None
    assert len(secure.kept) == 1


async def test_without_the_right_certificates_nothing_is_sent(
    secure: Rest, opened: Open, tmp_path: Path, authority: trustme.CA
) -> None:
    right = certificate(tmp_path, authority, "hub")
    other = certificate(tmp_path, trustme.CA(), "other")
    for tls in ({"ca": right["ca"]}, {**right, "ca": other["ca"]}, {**other, "ca": right["ca"]}, None):
        error = await send(opened(secure, tls=tls))
        assert isinstance(error, Transient)
        assert not error.reached
    assert secure.kept == {}


async def test_a_certificate_that_is_not_there_is_named(secure: Rest, opened: Open) -> None:
    with pytest.raises(Transient, match="certificate or key"):
        opened(secure, tls={"certificate": "nowhere.pem"})


@pytest.mark.parametrize("options", [{"encode": "form"}, {"statuses": {"done": ["all"]}}, {"body": {"a": None}}])
def test_settings_that_mean_nothing(rest: Rest, opened: Open, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        opened(rest, **options)
