"""The register says who of those asked for is protected, whether it reads all that are or asks for these alone."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from hub.ledger import protected
from hub.ledger.engine import Ledger
from hub.ledger.protected import Register, protect_early

ROWS = [  # subject, who says so, kind, active
    ("started", "started", "dv", 1),
    ("ended", "ended", "dv", 0),
    ("child", "started", "dv", 1),
    ("ended-by-one", "ended-by-one", "dv", 0),
    ("ended-by-one", "started", "stalking", 1),
]
ASKED = ["ended", "child", "nobody", "started", "early", "ended-by-one", "child"]


def _protect(ledger: Ledger, rows: list[tuple[str, str, str, int]]) -> None:
    insert = sa.text("INSERT INTO protection(subject, declarer, kind, active) VALUES (:a, :b, :c, :d)")
    with ledger.write() as connection:
        connection.execute(insert, [dict(zip("abcd", row, strict=True)) for row in rows])


@pytest.mark.parametrize("few", [0, 3, 4, 500])
def test_who_is_protected_is_the_same_however_many_there_are(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(protected, "FEW", few)
    monkeypatch.setattr(protected, "_EVERYBODY", protected._EVERYBODY.replace("501", str(few + 1)))
    register = Register(ledger)
    assert register(ASKED) == {}
    _protect(ledger, ROWS)
    protect_early(ledger, [("early", "juki/1"), ("other", "juki/2")])
    expected = dict.fromkeys(("child", "started", "early", "ended-by-one"), True)
    assert [register(ASKED), register(iter(ASKED)), register([])] == [expected, expected, {}]
    around = register.around(ASKED)
    assert {subject: around[subject] for subject in ASKED if subject in around} == expected
    assert around.items() - expected.items() <= {("other", True)}, "who is not protected is never named"


def test_whom_the_list_does_not_name_is_told_apart(ledger: Ledger) -> None:
    _protect(ledger, ROWS)
    expected = {"child": True, "started": True, "early": False, "nobody": False, "ended-by-one": True}
    assert Register(ledger, listed=True)(ASKED) == expected


@pytest.mark.parametrize("listed", [False, True])
def test_a_protection_that_dispatch_takes_in_meanwhile_is_not_missed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    """Dispatch says in one transaction who is protected, and takes the early mark away."""
    monkeypatch.setattr(protected, "FEW", -1)
    protect_early(ledger, [("resident", "juki/1")])
    asked, select_in = [], protected.select_in

    def between(*given: Any) -> list[Any]:
        found = select_in(*given)
        asked.append(given)
        if len(asked) == 1:
            _protect(ledger, [("resident", "resident", "dv", 1)])
            with ledger.write() as connection:
                connection.exec_driver_sql("DELETE FROM protection_early")
        return found

    monkeypatch.setattr(protected, "select_in", between)
    assert Register(ledger, listed=listed)(["resident"]) == {"resident": True}
    assert len(asked) == 2
