"""What is told of an alert; the rest is in tests/integration/test_alerts.py."""

from pathlib import Path

import pytest

from hub.ledger.alerts import Alert
from hub.ledger.deadletters import public_code
from hub.stages.alerts import message


def test_the_page_of_alerts_names_every_key_of_a_message():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "alerts.md").read_text("utf-8")
    told = message(Alert(1, "dead", "a.main", "rejected", "http-422", 1, 0, 0, None), "raised", "test")
    assert [key for key in told if f"`{key}`" not in page] == []


@pytest.mark.parametrize("kind", ["dead", "breaker"])
@pytest.mark.parametrize("what", ["raised", "ended"])
def test_every_alert_has_its_words(kind, what):
    told = message(Alert(3, kind, "zei.main", "rejected", "http-422", 2, 1_000, 2_000, 3_000), what, "moriguchi")
    assert told["id"] == f"3-{what}"
    assert told["at"] == ("1970-01-01T00:00:01.000Z" if what == "raised" else "1970-01-01T00:00:03.000Z")
    assert told["subject"].startswith("[hub moriguchi] zei.main: ")
    assert "{" not in told["text"]
    assert "(rejected, http-422)" in told["text"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("http-422", "http-422"),
        ("sqlstate-23505", "sqlstate-23505"),
        ("row-1000001", "other"),
        ("1000001", "other"),
        ("守口 太郎", "other"),
        ("two words", "other"),
        ("", "other"),
        ("a" * 65, "other"),
    ],
)
def test_a_code_is_told_only_if_it_is_a_plain_word(code, told):
    assert public_code(code) == told
