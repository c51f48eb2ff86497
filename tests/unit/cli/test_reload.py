"""An edit that nobody can read ends no `hub run`."""

from __future__ import annotations

from typing import Any

import pytest

from hub.cli import reload


@pytest.mark.parametrize("error", [RecursionError("too deep"), PermissionError(13, "no"), ValueError("odd")])
def test_whatever_an_edit_raises_is_told_and_refused(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Any) -> Any:
        raise error

    monkeypatch.setattr(reload, "refuse_broken", broken)
    assert reload._edited(None) is None  # type: ignore[arg-type]
    assert type(error).__name__ in capsys.readouterr().err
