"""Which of the events that wait for a person, since they contradict another system's report, still do.

By what stands now: one that was taken back, or that says what the others say since one of them was corrected, waits for
nobody; one that still says something else does, whatever else was put right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.ledger.desk import Desk
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.stages.history import Archive, History, Past
from hub.stages.retelling import judged
from hub.stages.rulebook import RuleBook


class Contradictions:
    """Looks at events of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._archive = Archive(EventLog(ledger), RuleBook(ledger, Desk(ledger)))

    def lasting(self, rows: Sequence[Any]) -> list[Any]:
        """Return those of event rows (`pos`, `subject`) that still contradict what others say."""
        self._archive.load(row.subject for row in rows)
        histories = {row.subject: History(*self._archive.of(row.subject)) for row in rows}
        self._archive.forget()
        return [row for row in rows if _lasts(histories[row.subject].about(row.pos))]


def _lasts(report: Past) -> bool:
    others, judgement = judged(report)
    return bool(others) and not report.taken_back and judgement.kind == "contradicts"
