from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.contract import Called
from hub.errors import ConfigurationError, Malformed, Rejected
from tests.conformance.helpers import site

KEY = "0123456789abcdef"
NOW = 1_790_000_000.0
BODY = '[{"宛名番号":"1000001"}]'.encode()


def opened(folder: Path, **webhook: Any) -> Any:
    source = registry.open_source("http", {"webhook": {"secret": KEY, **webhook}}, site(folder))
    assert isinstance(source, Called)
    assert list(source.read(None)) == []
    return source


def proof(signed: bytes, key: str = KEY) -> bytes:
    return hmac.new(key.encode(), signed, hashlib.sha256).digest()


def headers(stamp: str = "1790000000", body: bytes = BODY, key: str = KEY) -> dict[str, str]:
    return {"x-timestamp": stamp, "x-signature": proof(f"{stamp}.".encode() + body, key).hex()}


def test_a_call_is_proved_by_its_signature(tmp_path: Path) -> None:
    source = opened(tmp_path)
    assert source.verify(headers(), BODY, NOW) == source.verify(headers(), BODY, NOW + 100)
    assert source.rows(BODY)[0].values == {"宛名番号": "1000001"}


@pytest.mark.parametrize(
    "changed",
    [
        {"x-signature": ""},
        {"x-signature": "00" * 32},
        {"x-signature": "no hex"},
        {"x-timestamp": "1790000001"},
        headers(key="another secret!!"),
        headers(body=b"[]"),
    ],
)
def test_what_proves_nothing_is_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    with pytest.raises(Rejected) as error:
        opened(tmp_path).verify({**headers(), **changed}, BODY, NOW)
    assert error.value.code == "signature"


@pytest.mark.parametrize(
    ("stamp", "taken"),
    [
        ("1790000000", True),
        ("1790000300", True),
        ("1789999700", True),
        ("1790000301", False),
        ("1789999699", False),
        ("1790000000500", True),
        (datetime.fromtimestamp(NOW, UTC).isoformat(), True),
        (datetime.fromtimestamp(NOW, UTC).replace(tzinfo=None).isoformat(), False),
        ("soon", False),
        ("", False),
    ],
)
def test_a_call_is_taken_within_its_window(tmp_path: Path, stamp: str, taken: bool) -> None:
    source = opened(tmp_path)
    if taken:
        assert source.verify(headers(stamp), BODY, NOW)
        return
    with pytest.raises(Rejected) as error:
        source.verify(headers(stamp), BODY, NOW)
    assert error.value.code == "timestamp"


def test_the_previous_secret_is_taken_while_it_changes(tmp_path: Path) -> None:
    changing = {"secret": "a newer secret!!", "previous": KEY}
    source = opened(tmp_path, **changing)
    assert source.verify(headers(), BODY, NOW)


def test_other_peoples_ways_of_signing(tmp_path: Path) -> None:
    slack = opened(tmp_path, prefix="v0=", signed="v0:{timestamp}:{body}", signature="X-Slack-Signature")
    signature = "v0=" + proof(b"v0:1790000000:" + BODY).hex()
    assert slack.verify({"x-timestamp": "1790000000", "x-slack-signature": signature}, BODY, NOW)
    standard = opened(  # Standard Webhooks: an id, several signatures
        tmp_path,
        signature="webhook-signature",
        timestamp="webhook-timestamp",
        nonce="webhook-id",
        signed="{nonce}.{timestamp}.{body}",
        encoding="base64",
        prefix="v1,",
    )
    good = "v1," + base64.b64encode(proof(b"msg_1.1790000000." + BODY)).decode()
    sent = {"webhook-id": "msg_1", "webhook-timestamp": "1790000000", "webhook-signature": f"v1,AAAA {good}"}
    assert standard.verify(sent, BODY, NOW) == "msg_1"


def test_a_body_may_hold_what_looks_like_a_part(tmp_path: Path) -> None:
    body = b'["{timestamp}{body}"]'
    assert opened(tmp_path).verify(headers(body=body), body, NOW)


def test_a_body_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        opened(tmp_path).rows(b"<html>")


@pytest.mark.parametrize(
    "webhook",
    [
        {"secret": "short"},
        {"signed": "{body}"},
        {"signed": "{timestamp}"},
        {"nonce": "X-Id"},
        {"signed": "{nonce}.{timestamp}.{body}"},
        {"window": "30d"},
    ],
)
def test_settings_that_would_prove_nothing(tmp_path: Path, webhook: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        opened(tmp_path, **webhook)
