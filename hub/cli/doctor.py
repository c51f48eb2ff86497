"""`hub doctor`: whether this machine and this city have what the hub needs, each with the mend."""

from __future__ import annotations

from typing import Any

from hub.cli import output
from hub.cli.session import Session
from hub.cli.words import word

SIGNS = {"ok": "✓", "warning": "!", "error": "✗"}


def doctor(session: Session) -> int:
    """Look at everything and change nothing; exit 1 when something must be mended."""
    from hub.cli.examination import examine

    findings = examine(session)
    items = [
        {"name": each.name, "level": each.level, "found": each.found.en, "mend": each.mend.en} for each in findings
    ]
    errors = sum(each.level == "error" for each in findings)
    warnings = sum(each.level == "warning" for each in findings)

    def for_people() -> None:
        output.table(
            ["", word("column.check"), word("column.found"), word("column.mend")],
            [(SIGNS[each.level], word(f"look.{each.name}"), each.found, each.mend) for each in findings],
        )

    answer: dict[str, Any] = {"items": items, "next": None, "errors": errors, "warnings": warnings}
    session.answer(answer, for_people)
    return int(bool(errors))
