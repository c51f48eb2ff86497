"""What may become of a delivery: the state machine of its statuses, every transition with who makes it and why.

And what may become of an entry in quarantine (`ENTRY_MOVES`).

The desk refuses what an ending may not replace by `MOVES` (`answers_over`), and tests hold every settlement they see to
it. `python -m hub.ledger.states` prints the page of it for people.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hub.ledger.status import ALTERED, CONFIRMED, DELIVERED, DELIVERY, REASONS, delivery_words

OWNER, PERSON, SYSTEM, DISPATCH = "owner", "person", "system", "dispatch"
BY = {
    DISPATCH: ("the hub, at dispatch", "ハブ（振り分け）"),
    OWNER: ("the hub, as the receiver's owner", "ハブ（受信先の担当プロセス）"),
    PERSON: ("a person, by a command or a job", "担当者（コマンドまたはジョブ）"),
    SYSTEM: ("the receiving system, by its acknowledgement", "受信システム（受領の回答）"),
}


class Move(NamedTuple):
    """A transition: from any of `start` to `to`, made by `by`, for the reason `why` (English, Japanese)."""

    start: tuple[str, ...]
    to: str
    by: str
    why: tuple[str, str]


_OPEN = ("planned", "scheduled", "sending", "waiting", "held", "unknown")
_ANSWERED = {"delivered": DELIVERED, "warning": ALTERED, "confirmed": CONFIRMED}  # what an answer may be about
_UNTRIED = ("planned", "scheduled", "waiting", "held")

MOVES: tuple[Move, ...] = (
    Move(("planned",), "scheduled", OWNER, ("its effective date is still to come", "効力発生日がまだ来ていない")),
    Move(
        ("planned", "scheduled", "waiting", "held"),
        "sending",
        OWNER,
        (
            "noted before the call, for a system that would act twice on the same thing",
            "二重に受け付けうる相手への送信前の記録",
        ),
    ),
    Move(
        ("planned", "scheduled", "sending", "waiting", "held"),
        "held",
        OWNER,
        (
            "an earlier one waits; the receiver is closed, paused or away; a rule or the protection list asks",
            "同じ住民の先の送信が待っている、受信先が停止・時間外・不通、または判断や保護リストの確認が要る",
        ),
    ),
    Move(
        ("planned", "scheduled", "sending", "waiting", "held"),
        "waiting",
        OWNER,
        (
            "the attempt failed in a way that passes: the next one has a time",
            "一時的な失敗。次の試行時刻が決まっている",
        ),
    ),
    Move(
        ("planned", "scheduled", "sending", "waiting", "held"),
        "unknown",
        OWNER,
        ("the call ended without an answer: it may have taken effect", "応答がなく、届いたかどうか分からない"),
    ),
    Move(
        ("planned", "scheduled", "sending", "waiting", "held", "unknown"),
        "delivered",
        OWNER,
        ("the system has it", "相手のシステムに届いた"),
    ),
    Move(
        ("planned", "scheduled", "sending", "waiting", "held", "unknown"),
        "warning",
        OWNER,
        (
            "the system has it, but not all as it was: a character it lacks, a text cut to its width",
            "届いたが、そのままではない（相手にない文字、幅に合わせた切り詰め）",
        ),
    ),
    Move(
        ("planned", "scheduled", "sending", "waiting", "held", "unknown"),
        "dead",
        OWNER,
        (
            "refused for good, or given up while others got through",
            "恒久的に拒否された、または他は届くのに試行を尽くした",
        ),
    ),
    Move(
        ("planned", "scheduled", "waiting", "held"),
        "sending",
        OWNER,
        ("on offer to a system that fetches (`pull`)", "相手が取りに来るのを待っている（`pull`）"),
    ),
    Move(
        ("sending",),
        "delivered",
        SYSTEM,
        ("it has fetched and acknowledged it", "相手が取りに来て、受け取ったと答えた"),
    ),
    Move(
        ("sending",),
        "dead",
        SYSTEM,
        ("it has fetched and refused it", "相手が取りに来て、受け取れないと答えた"),
    ),
    Move(
        ("sending",),
        "suppressed",
        OWNER,
        (
            "the resident became protected while it was on offer, and nothing may go",
            "取りに来るのを待つ間に住民が保護対象者になり、送れない",
        ),
    ),
    Move(
        ("delivered",),
        "confirmed",
        SYSTEM,
        ("its acknowledgement says, or lets it be, that it was taken", "受領の回答で取込みが確かめられた"),
    ),
    Move(
        ("delivered",),
        "confirmed",
        OWNER,
        ("asked afterwards, the system has it for good", "後から照会し、取込み済みと確かめられた"),
    ),
    Move(
        ("warning",),
        "warning",
        SYSTEM,
        (
            "its acknowledgement says that what did not arrive as it was (`altered`) was taken",
            "そのままではない形で届いたもの（`altered`）が、受領の回答で取込み済みとされた",
        ),
    ),
    Move(
        ("warning",),
        "warning",
        OWNER,
        (
            "asked afterwards, the system has for good what did not arrive as it was (`altered`)",
            "後から照会し、そのままではない形（`altered`）で取込み済みと確かめられた",
        ),
    ),
    Move(
        ("delivered", "confirmed"),
        "warning",
        SYSTEM,
        ("its acknowledgement says that it was taken with a remark", "受領の回答で注意付きの取込みとされた"),
    ),
    Move(
        ("delivered", "warning", "confirmed"),
        "dead",
        SYSTEM,
        (
            "its acknowledgement lists it as refused, be it after silence was read as consent",
            "受領の回答で取込み不可とされた（無回答を取込みとみなした後でも）",
        ),
    ),
    Move(
        ("delivered", "warning"),
        "dead",
        OWNER,
        (
            "no answer came by its time (`unanswered: dead`), or the system, asked afterwards, refuses it",
            "期限までに回答がなかった（`unanswered: dead`）、または後からの照会で拒否された",
        ),
    ),
    Move(
        _UNTRIED,
        "suppressed",
        OWNER,
        (
            "the rule is switched off, or the resident is protected and nothing may go",
            "ルールが無効、または保護対象者のため送れない",
        ),
    ),
    Move(
        ("delivered",),
        "suppressed",
        OWNER,
        (
            "it lay ready for a robot, and nothing of the resident, protected meanwhile, may go out",
            "ロボット待ちの間に住民が保護対象者になり、何も渡せない",
        ),
    ),
    Move(
        _UNTRIED,
        "cancelled",
        OWNER,
        (
            "its event was cancelled, or the resident died, before anything was tried",
            "何も送らないうちに元の届出が取り消された、または住民が亡くなった",
        ),
    ),
    Move(
        ("planned", "scheduled", "waiting", "held"),
        "superseded",
        OWNER,
        (
            "a later report says more, and nothing of this one was tried",
            "何も送らないうちに新しい届出に置き換わった",
        ),
    ),
    Move(
        ("cancelled",),
        "scheduled",
        OWNER,
        ("the death that ended it was itself cancelled", "取りやめの理由だった死亡の届出が取り消された"),
    ),
    Move(
        ("unknown",),
        "delivered",
        PERSON,
        ("a person knows that it took effect (`hub deliveries confirm`)", "担当者が届いていることを確認した"),
    ),
    Move(
        ("delivered",),
        "confirmed",
        PERSON,
        (
            "a person knows that it was taken though no answer says so (`hub deliveries confirm`)",
            "回答はないが、担当者が取込み済みと確認した",
        ),
    ),
    Move(
        ("warning",),
        "warning",
        PERSON,
        (
            "a person knows that what did not arrive as it was (`altered`) was taken (`hub deliveries confirm`)",
            "そのままではない形（`altered`）で取込み済みと、担当者が確認した",
        ),
    ),
    Move(
        ("waiting", "held", "unknown", "dead", "superseded", "suppressed"),
        "waiting",
        PERSON,
        (
            "released, or tried again (`hub deliveries release`, `hub replay`)",
            "担当者が保留を解いた、または再送した",
        ),
    ),
    Move(
        ("planned", "waiting", "held"),
        "held",
        PERSON,
        (
            "put behind an earlier one, or its job is paused",
            "先の送信の後ろに並んだ、またはジョブが一時停止中",
        ),
    ),
    Move(
        (*_OPEN, "dead"),
        "cancelled",
        PERSON,
        (
            "given up (`hub deliveries drop`), or its job was cancelled",
            "担当者が取りやめた、またはジョブが中止された",
        ),
    ),
    Move(
        ("dead", "suppressed", "planned"),
        "superseded",
        PERSON,
        (
            "to be sent again, but the receiver was told later things meanwhile",
            "再送しようとしたが、すでに新しい内容が届いている",
        ),
    ),
    Move(
        ("planned",),
        "waiting",
        PERSON,
        (
            "a job sends it: replay, backfill, seed, restore",
            "ジョブによる送信（再送・遡及・初期設定・復元）",
        ),
    ),
    Move(
        ("planned",),
        "scheduled",
        PERSON,
        ("a job sends it on its effective date", "ジョブによる送信で効力発生日を待つ"),
    ),
)


# What may become of an entry in quarantine; only what stays open is anybody's to mend.
ENTRY_MOVES: tuple[Move, ...] = (
    Move(
        ("open",),
        "resubmitted",
        PERSON,
        (
            "put right, or taken as it is (`hub quarantine fix`, `hub quarantine resubmit`)",
            "担当者が直して、またはそのまま届け直した",
        ),
    ),
    Move(
        ("open",),
        "discarded",
        PERSON,
        ("closed without an event (`hub quarantine discard`)", "担当者が届けずに閉じた"),
    ),
    Move(
        ("discarded",),
        "open",
        PERSON,
        ("closing it was a mistake (`hub quarantine reopen`)", "担当者が、閉じたのを取り消した"),
    ),
    Move(
        ("resubmitted",),
        "open",
        DISPATCH,
        ("resubmitted as it was, it was refused once more", "そのまま届け直したものが、また断られた"),
    ),
)


# What a person may decide of a single delivery: decision → the statuses it changes, each with its reasons (none: any).
DECISIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "release": {"held": ("ask", "approval", "incomplete")},
    "drop": {**dict.fromkeys(("planned", "scheduled", "waiting", "held", "unknown", "dead"), ()), "cancelled": ()},
    "confirm": {"unknown": (), "delivered": (), "warning": ("altered",), "confirmed": ()},
}


def decidable(decision: str, status: str, reason: str | None) -> bool:
    """Say whether a person's decision does something to a delivery, or has done it."""
    reasons = DECISIONS[decision].get(status)
    return reasons is not None and (not reasons or reason in reasons)


def may(start: str, to: str) -> bool:
    """Say whether a delivery may go from one status to another."""
    return any(start in move.start and to == move.to for move in MOVES)


def answers_over(code: int) -> tuple[int, ...]:
    """Return the endings (codes) that an answer may replace by another one (code): what was delivered before it.

    That no answer has come (`unconfirmed`) is less than an answer, and is the owner's to say, as it is that work which
    lies ready for a robot may not go out any more (`protected`).
    Of warnings, only one from the delivery itself (`altered`) waits for an answer; one that an answer made is final.
    """
    to, reason = delivery_words(code)
    who = OWNER if reason in {"unconfirmed", "protected"} else SYSTEM
    starts = {start for move in MOVES if (move.to, move.by) == (to, who) for start in move.start}
    return tuple(sorted(code for status, code in _ANSWERED.items() if status in starts))


def page() -> str:
    """Return the page of `docs/reference/statuses.md`."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterable[str]:
    yield from (
        "# Statuses of a delivery",
        "",
        "<!-- Written by `python -m hub.ledger.states > docs/reference/statuses.md`; a test keeps it true. -->",
        "",
        "A delivery begins as `planned`. Every settlement that the tests of the engine make is held to this table.",
        "",
        *_table(MOVES),
    )
    waiting = [status for status in DELIVERY if {move.by for move in MOVES if status in move.start} == {PERSON}]
    yield from ("", f"A person alone leads on from {', '.join(f'`{each}`' for each in waiting)}.", "", "## Reasons", "")
    for status, reasons in REASONS.items():
        yield f"- `{status}`: " + " ".join(f"`{reason}`" for reason in reasons)
    yield from (
        "",
        "## An entry in quarantine",
        "",
        "It begins as `open`. The same input that comes again is counted; it moves it only as the last line says.",
        "",
        *_table(ENTRY_MOVES),
    )


def _table(moves: Iterable[Move]) -> Iterable[str]:
    yield from ("| from | to | by | why | 理由 |", "|---|---|---|---|---|")
    for move in moves:
        start = " · ".join(f"`{each}`" for each in move.start)
        yield f"| {start} | `{move.to}` | {BY[move.by][0]} | {move.why[0]} | {move.why[1]} |"


if __name__ == "__main__":
    sys.stdout.write(page())
