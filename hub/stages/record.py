"""What one settlement of a receiver says: endings, what waits, what no longer does, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hub.adapters.contract import Outcome
from hub.errors import HubError
from hub.ledger.desk import Failure, Finished, Hold, Noted
from hub.ledger.status import ALTERED, DELIVERED, NOTED, WARNED
from hub.stages.rounds import Work


@dataclass(slots=True)
class Record:
    """What is to be settled: endings, what waits, what no longer does, and what failed.

    `ended` is by `(status, job, whether it is an answer)`; what ends a delivery a second time stands in another such
    part behind it, so that it is written after the first.
    """

    batch: int = 0
    ended: list[dict[tuple[int, int, bool], tuple[list[int], list[int]]]] = field(default_factory=lambda: [{}])
    last: set[tuple[int, int]] = field(default_factory=set)  # `(pos, job)` in the last part
    arrived: tuple[Sequence[int], Sequence[int]] = ((), ())  # at once, from the log
    together: bool = False  # and a row may stand for many of these
    holds: list[Hold] = field(default_factory=list)
    released: list[tuple[int, int]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    obeyed: list[tuple[int, str]] = field(default_factory=list)
    noted: list[Noted] = field(default_factory=list)
    pause: str = ""

    def any(self) -> bool:
        """Say whether there is anything to settle."""
        return bool(self.last or self.arrived[0] or self.holds or self.released or self.failures)

    def finish(self, status: int, job: int, pos: int, no: int) -> None:
        """Note an ending."""
        self._end(status, job, pos, no, answer=False)

    def answer(self, status: int, job: int, pos: int, no: int) -> None:
        """Note what is said of a delivery that has arrived."""
        self._end(status, job, pos, no, answer=True)

    def _end(self, status: int, job: int, pos: int, no: int, *, answer: bool) -> None:
        if (pos, job) in self.last:
            self.ended.append({})
            self.last.clear()
        self.last.add((pos, job))
        positions, numbers = self.ended[-1].setdefault((status, job, answer), ([], []))
        positions.append(pos)
        numbers.append(no)

    def fail(self, work: Work, kind: str, error: HubError | None, now: int) -> None:
        """Note an attempt that failed."""
        code = error.code if error else ""
        self.failures.append(Failure(work.entry.pos, work.job, work.attempts + 1, now, kind, code, str(error)))

    def remark(self, work: Work, outcome: Outcome | None, now: int) -> int:
        """Note what of a delivery that took effect did not arrive as it was; return the status it has."""
        if outcome is None or not outcome.detail:
            return DELIVERED
        kind = WARNED if outcome.code.startswith("U+") else NOTED
        code = outcome.code or NOTED
        self.failures.append(Failure(work.entry.pos, work.job, work.attempts + 1, now, kind, code, outcome.detail))
        return ALTERED

    def __len__(self) -> int:
        ended = (positions for part in self.ended for (*_, answer), (positions, _) in part.items() if not answer)
        return len(self.holds) + len(self.arrived[0]) + sum(map(len, ended))

    def endings(self, now: int) -> list[Finished]:
        """Return what ended, as it is settled."""
        ended = [
            Finished(status, job, now, self.batch, positions, numbers, answer=answer)
            for part in self.ended
            for (status, job, answer), (positions, numbers) in part.items()
        ]
        if self.arrived[0]:
            positions, numbers = self.arrived
            arrived = Finished(DELIVERED, 0, now, self.batch, positions, numbers, first=True, together=self.together)
            ended.append(arrived)
        return ended
