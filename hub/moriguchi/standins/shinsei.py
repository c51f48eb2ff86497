"""申請管理: online applications, exported as UTF-8 CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.moriguchi.standins.files import unused, write_csv

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from hub.moriguchi.generator import Resident


class Shinsei:
    """The portal's export folder."""

    def __init__(self, folder: Path) -> None:
        self._out = folder / "in" / "shinsei"

    def apply(self, applicant: Resident, form: str, child: Resident, day: date) -> Path:
        """Export one application, numbered by its file."""
        path = unused(self._out, f"SHINSEI_{day:%Y%m%d}")
        row = {
            "申請番号": path.stem.removeprefix("SHINSEI_"),
            "宛名番号": applicant.number,
            "様式": form,
            "申請日": day.isoformat(),
            "対象者": child.number,
            "加入保険": "国民健康保険" if "kokuho" in child.insurance else "社会保険",
            "連絡希望": "メール",
        }
        return write_csv(path, [row], "utf-8")
