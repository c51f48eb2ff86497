"""What people ask of a receiver, carried out by its owner between two batches.

Everything a job is to send enters its lane at once, in event order, and waits there as a failed delivery would: what
comes later for the same resident follows it, a crash loses nothing, and nobody but this receiver hears of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain

from hub.ledger import commands
from hub.ledger.commands import Command, Known
from hub.ledger.desk import Failure, Hold, Noted, now_ms
from hub.ledger.engine import Ledger
from hub.ledger.states import DECISIONS
from hub.ledger.status import (
    ALTERED,
    CANCELLED,
    CONFIRMED,
    DEAD,
    DELIVERED,
    REPLACEABLE,
    SCHEDULED,
    SUPERSEDED,
    UNANSWERED,
    UNKNOWN,
    WAITING,
    WARNING,
    delivery_code,
    delivery_words,
)
from hub.stages import answers
from hub.stages.entries import Item, unpack_made
from hub.stages.lanes import Lanes, Scheduled
from hub.stages.record import Record

AT_ONCE = 2_000  # commands carried out in one settlement
QUEUED = "queued"
BEFORE = "queued before"
_JUDGED = frozenset({"retry", "resend", "restore"})  # what may be overtaken
PAUSED = delivery_code("held", "paused")
DECIDED = frozenset(delivery_code("held", reason) for reason in DECISIONS["release"]["held"])  # by a person


@dataclass(slots=True)
class Waiting:
    """What waits at the receiver, and how the owner ends one of them: `end(hold, status)`.

    `end_unread(pos)` ends what is planned and lies unread in the log, and says whether it did; `stops`: a dead letter
    stops the receiver; `answers`: its system answers for what it was delivered; `holds`: until then a resident's next
    one waits.
    """

    lanes: Lanes
    scheduled: Scheduled
    record: Record
    end: Callable[[Hold, int], None]
    end_unread: Callable[[int], bool] = lambda _: False
    stops: bool = False
    answers: bool = False
    holds: bool = False

    def find(self, subject: str, pos: int, job: int) -> Hold | None:
        """Return what waits of a delivery."""
        holds = [*self.lanes.of(subject), *self.scheduled.of(subject)]
        return next((hold for hold in holds if (hold.pos, hold.job) == (pos, job)), None)

    def keep(self, hold: Hold) -> None:
        """Put a delivery into its lane, or back with a new state."""
        self.scheduled.remove(hold)
        (self.scheduled if hold.status == SCHEDULED else self.lanes).add(hold)
        self.record.holds.append(hold)

    def take_back(self, hold: Hold) -> None:
        """Let go of a delivery that had ended before, so that it stands as it ended."""
        self.lanes.remove(hold.subject, hold.pos, hold.job)
        self.record.holds[:] = [each for each in self.record.holds if (each.pos, each.job) != (hold.pos, hold.job)]
        self.record.released.append((hold.pos, hold.job))

    def let_go(self, subject: str, pos: int, job: int | None = None) -> None:
        """Let go of what is delivered and was held until its answer: under one job number, or under any."""
        for hold in self.lanes.of(subject):
            if hold.answered and hold.pos == pos and job in (None, hold.job):
                self.take_back(hold)

    def of_job(self, job: int) -> list[Hold]:
        """Return what a job put here."""
        return [hold for hold in chain(self.lanes, self.scheduled) if hold.put_by == job]


@dataclass(slots=True)
class Asked:
    """Commands with what the ledger says of the deliveries they are about."""

    commands: list[Command]
    known: Known
    arrived: dict[int, list[tuple[int, int, bytes | None]]]  # of a `restore`: what it is about
    open: dict[int, list[int]]  # of a `cancel`: the job's commands that are not carried out
    ended: dict[int, set[tuple[int, int]]]  # of a `cancel`: what it tries again that had ended


class Orders:
    """Carries out the commands to one receiver."""

    def __init__(self, receiver: int, ledger: Ledger) -> None:
        self._receiver = receiver
        self._ledger = ledger
        self._deeds: dict[str, Callable[[Command, Asked, Waiting], str | None]] = {
            "retry": self._retry,
            "resend": self._resend,
            "restore": self._restore,
            "release": self._release,
            "drop": self._drop,
            "confirm": self._confirm,
            "pause": self._pause,
            "resume": self._resume,
            "cancel": self._cancel,
            "accept": answers.accept,
            "warn": answers.warn,
            "refuse": answers.refuse,
            "stumble": answers.stumble,
            "withhold": answers.withhold,
            "give_up": answers.give_up,
            "take": answers.take,
            "decline": answers.decline,
            "reconsider": answers.reconsider,
        }
        self._pace: dict[int, float] = {}  # job → when its last delivery is due, in milliseconds
        self._restored: dict[int, tuple[int, int]] = {}  # command → how far a restore has come, how many that were

    def look(self) -> Asked | None:
        """Return what there is to do now, None when nothing is; reads the ledger."""
        found = commands.next_of(self._ledger, self._receiver, AT_ONCE, list(self._deeds))
        if not found:
            return None
        arrived = {each.no: self._arrived(each) for each in found if each.kind == "restore"}
        positions = {each.pos for each in found} | {pos for taken in arrived.values() for pos, _, _ in taken}
        cancelled = [each for each in found if each.kind == "cancel"]
        return Asked(
            found,
            commands.known(
                self._ledger,
                self._receiver,
                positions,
                judged=any(each.kind in _JUDGED and not each.args.get("even_if_stale") for each in found),
            ),
            arrived,
            {each.no: commands.open_of(self._ledger, each.job, self._receiver) for each in cancelled},
            {each.no: commands.tried_again(self._ledger, each.job, self._receiver) for each in cancelled},
        )

    def carry_out(self, asked: Asked, waiting: Waiting) -> None:
        """Change what waits as asked, and note each command's result."""
        for command in asked.commands:
            result = self._deeds[command.kind](command, asked, waiting)
            if result is not None:
                waiting.record.obeyed.append((command.no, result))

    def _arrived(self, command: Command) -> list[tuple[int, int, bytes | None]]:
        """Return the next of what a restored system has forgotten."""
        after, _ = self._restored.get(command.no, (-1, 0))
        return commands.arrived_since(self._ledger, self._receiver, command.args["to"], after=after, limit=AT_ONCE)

    def _due(self, command: Command, waiting: Waiting) -> int:
        """Return when a job's next delivery is due, by its rate (deliveries a second)."""
        now, rate = now_ms(), command.args.get("rate")
        if not rate:
            return now
        last = self._pace.get(command.job)
        if last is None:
            last = max((hold.due or 0 for hold in waiting.of_job(command.job)), default=0)
        due = max(now, last + 1000 / rate)
        self._pace[command.job] = due
        return int(due)

    # --- deeds: each returns the command's result ---------------------------------------------------------------

    def _retry(self, command: Command, asked: Asked, waiting: Waiting) -> str:
        """Try again what never succeeded, under its own key."""
        known, key = asked.known, (command.pos, command.target)
        subject = known.subjects[command.pos]
        hold = waiting.find(subject, *key)
        if hold is not None and not hold.answered:
            return self._sooner(command, hold, waiting)
        if key not in known.ended:
            return "planned"
        status, no = known.ended[key]
        if status not in REPLACEABLE:
            return delivery_words(status)[0]
        if command.pos in known.overtaken and not command.args.get("even_if_stale"):
            return self._supersede(key, no, known, waiting)
        attempts, due = known.attempts.get(key, 0), self._due(command, waiting)
        waiting.keep(Hold(*key, subject, WAITING, "", now_ms(), due, attempts, no, command.payload, command.job))
        return QUEUED

    def _sooner(self, command: Command, hold: Hold, waiting: Waiting) -> str:
        """Try now what waits for a time or for a person; what follows another goes when that has gone."""
        payload = command.payload or hold.payload
        again = replace(hold, payload=payload, put_by=command.job)
        if hold.status == SCHEDULED:
            return "scheduled"
        if hold.due is not None or hold.status == UNKNOWN or hold.status in DECIDED:
            again = replace(again, status=WAITING, due=self._due(command, waiting))
        waiting.keep(again)
        return QUEUED

    def _supersede(self, key: tuple[int, int], no: int, known: Known, waiting: Waiting) -> str:
        if known.ended.get(key, (0, 0))[0] != SUPERSEDED:
            waiting.record.finish(SUPERSEDED, key[1], key[0], no)
            known.ended[key] = SUPERSEDED, no
        return "superseded"

    def _resend(self, command: Command, asked: Asked, waiting: Waiting) -> str:
        """Send under a new key what was sent before, or what this receiver has never been told."""
        known, key = asked.known, (command.pos, command.job)
        subject = known.subjects[command.pos]
        if key in known.ended or waiting.find(subject, *key) is not None:
            return BEFORE
        if command.pos in known.overtaken and not command.args.get("even_if_stale"):
            return self._supersede(key, 0, known, waiting)
        waiting.let_go(subject, command.pos)  # the answer that counts is to what is sent now
        item = unpack_made(command.payload)[1] if command.payload is not None else None
        status, detail, due = self._beginning(command, item, waiting)
        waiting.keep(Hold(*key, subject, status, detail, now_ms(), due, 0, 0, command.payload, command.job))
        return QUEUED

    def _beginning(self, command: Command, item: Item | None, waiting: Waiting) -> tuple[int, str, int | None]:
        if item is not None and item.hold is not None:
            return delivery_code("held", item.hold), item.detail, None
        if item is not None and item.due is not None and item.due > now_ms():
            return SCHEDULED, item.detail, item.due
        return WAITING, "", self._due(command, waiting)

    def _restore(self, command: Command, asked: Asked, waiting: Waiting) -> str | None:
        """Send again, in order, everything the receiver took since a moment: its system has forgotten it.

        A part of it in one settlement; None while there is more.
        """
        taken = asked.arrived[command.no]
        for pos, target, payload in taken:
            one = replace(command, kind="resend", pos=pos, target=target, payload=payload)
            now, result = now_ms(), self._resend(one, asked, waiting)
            if result != BEFORE:  # else it is noted already: the hub ended in the middle of this
                waiting.record.noted.append(Noted(command.job, "resend", pos, target, payload, now, result))
        count = self._restored.get(command.no, (-1, 0))[1] + len(taken)
        if len(taken) < AT_ONCE:
            self._restored.pop(command.no, None)
            return str(count)
        self._restored[command.no] = taken[-1][0], count
        return None

    def _release(self, command: Command, asked: Asked, waiting: Waiting) -> str:
        hold = waiting.find(asked.known.subjects[command.pos], command.pos, command.target)
        if hold is None or hold.status not in DECIDED:
            return _as_it_is(command, asked, hold)
        waiting.keep(replace(hold, status=WAITING, due=now_ms(), put_by=command.job))
        return QUEUED

    def _drop(self, command: Command, asked: Asked, waiting: Waiting) -> str:
        """End what was not delivered; nobody will hear of it."""
        key = (command.pos, command.target)
        hold = waiting.find(asked.known.subjects[command.pos], *key)
        if hold is not None and not hold.answered:
            waiting.end(hold, CANCELLED)
        elif asked.known.ended.get(key, (0, 0))[0] in DEAD:
            waiting.record.finish(CANCELLED, key[1], key[0], asked.known.ended[key][1])
        elif key in asked.known.ended or command.target or not waiting.end_unread(command.pos):
            return _as_it_is(command, asked, hold)
        self._say(command, asked, waiting)
        asked.known.ended[key] = CANCELLED, 0
        return "cancelled"

    def _confirm(self, command: Command, asked: Asked, waiting: Waiting) -> str:
        """Take a person's word that a delivery whose outcome is unknown took effect, or that it needs no answer."""
        subject, key = asked.known.subjects[command.pos], (command.pos, command.target)
        hold = waiting.find(subject, *key)
        stood, no = asked.known.ended.get(key, (0, 0))
        if stood in UNANSWERED and (waiting.answers or hold is not None):
            status = WARNING if stood == ALTERED else CONFIRMED
            waiting.record.answer(status, key[1], key[0], no)
            waiting.let_go(subject, *key)
            self._say(command, asked, waiting)
            asked.known.ended[key] = status, no
            return "confirmed"
        if hold is None or hold.status != UNKNOWN:
            return _as_it_is(command, asked, hold)
        waiting.end(hold, DELIVERED)
        self._say(command, asked, waiting)
        asked.known.ended[command.pos, command.target] = DELIVERED, hold.no
        return "delivered"

    def _say(self, command: Command, asked: Asked, waiting: Waiting) -> None:
        """Keep with the delivery who decided and why."""
        key = (command.pos, command.target)
        n = asked.known.attempts.get(key, 0) + 1
        asked.known.attempts[key] = n
        text = f"{command.by}: {command.reason}" if command.reason else command.by
        waiting.record.failures.append(Failure(*key, n, now_ms(), "decision", command.kind, text))

    # --- steering a job -----------------------------------------------------------------------------------------

    def _pause(self, command: Command, asked: Asked, waiting: Waiting) -> str:  # noqa: ARG002 - as every deed
        held = [hold for hold in waiting.of_job(command.job) if hold.due is not None and hold.status != SCHEDULED]
        for hold in held:
            waiting.keep(replace(hold, status=PAUSED, due=None, detail=f"job {command.job} is paused"))
        return str(len(held))

    def _resume(self, command: Command, asked: Asked, waiting: Waiting) -> str:  # noqa: ARG002 - as every deed
        self._pace.pop(command.job, None)
        held = sorted(
            (hold for hold in waiting.of_job(command.job) if hold.status == PAUSED), key=lambda h: (h.pos, h.job)
        )
        for hold in held:
            waiting.keep(replace(hold, status=WAITING, due=self._due(command, waiting), detail=""))
        return str(len(held))

    def _cancel(self, command: Command, asked: Asked, waiting: Waiting) -> str:
        """Take back what a job has put here and what is not sent yet; what was dead before is dead again."""
        waiting.record.obeyed += [(no, "cancelled") for no in asked.open[command.no] if no != command.no]
        held = waiting.of_job(command.job)
        for hold in held:
            if hold.job == command.job:
                waiting.end(hold, CANCELLED)
            elif (hold.pos, hold.job) in asked.ended[command.no]:
                waiting.take_back(hold)
            elif hold.status == PAUSED:
                waiting.keep(replace(hold, status=WAITING, due=now_ms(), detail="", put_by=None))
            else:
                waiting.keep(replace(hold, put_by=None))
        return str(len(held))


def _as_it_is(command: Command, asked: Asked, hold: Hold | None) -> str:
    """Return the status of a delivery to which a command does not apply."""
    if hold is not None:
        return delivery_words(hold.status)[0]
    ended = asked.known.ended.get((command.pos, command.target))
    return delivery_words(ended[0])[0] if ended else "planned"
