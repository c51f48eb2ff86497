"""Why each system is told of an event, and why each other one is not, in words for the counter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import orjson

from hub.routing.conditions import Verdict, judge
from hub.routing.identity import is_provisional
from hub.routing.projection import sent
from hub.routing.protection import locates_person
from hub.routing.values import find

if TYPE_CHECKING:
    from hub.routing.plan import Planned, Router, View
    from hub.routing.rules import Rule

LONGEST = 80  # characters of a value shown
HIDDEN = "＊"

_WORDS = {
    "ja": {
        "nothing": "購読（ルール）がありません",
        "type": "{type} を購読していません（最も近いルール: {rule}、対象 {on}）",
        "false": "条件が成り立ちません: {when}（{seen}）",
        "unknown": "条件を判断できません: {when}（不明: {missing}）",
        "rule-disabled": "条件は成り立ちますが、ルールが無効にされています",
        "receiver-disabled": "条件は成り立ちますが、受け口 {receivers} が無効にされています",
        "no-receiver": "条件は成り立ちますが、受け口がありません",
        "unidentified": "本人が確認されていない届出で、確認前に受けるルール（unidentified）ではありません",
        "own": "このシステム自身の報告です",
        "told": "すでに {event} で伝えています",
        "loses": "{event} と食い違い、そちらが採られています",
        "cancelled": "届く前に {event} で取り消されていました",
        "facts-only": "覚えるだけの報告で、誰にも伝えません",
        "nothing-new": "新しく伝えることがありません",
        "absent": "なし",
        "within": "{start}から{days}日以内{roll}",
        "effective": "異動日",
        "notified": "届出日",
        "known": "知った日",
        "none": "",
        "next-open": "（閉庁日なら翌開庁日まで）",
        "previous-open": "（閉庁日なら前開庁日まで）",
        "join": "、",
        "rule": "ルール {rule}: {why}",
        "between": "。",
    },
    "en": {
        "nothing": "it has no rules",
        "type": "it has no rule on {type} (the nearest is {rule}, on {on})",
        "false": "the condition is false: {when} ({seen})",
        "unknown": "the condition cannot be told: {when} (missing: {missing})",
        "rule-disabled": "the condition holds, but the rule is disabled",
        "receiver-disabled": "the condition holds, but the receiver {receivers} is disabled",
        "no-receiver": "the condition holds, but no receiver takes it",
        "unidentified": "nobody has identified the resident, and the rule is not for such (unidentified)",
        "own": "it reported this event itself",
        "told": "already told by {event}",
        "loses": "{event} contradicts it and stands",
        "cancelled": "{event} had cancelled it before it came",
        "facts-only": "it was only to be learned: nobody is told",
        "nothing-new": "nothing of it was new",
        "absent": "absent",
        "within": "within {days} days {start}{roll}",
        "effective": "of the effective date",
        "notified": "of the notification",
        "known": "of being told",
        "none": "",
        "next-open": ", rolled to the next open day",
        "previous-open": ", rolled to the previous open day",
        "join": ", ",
        "rule": "rule {rule}: {why}",
        "between": "; ",
    },
}


class Told(TypedDict):
    """A delivery: by which rule, for what purpose, by when, with which fields; `hold` when a person must look first."""

    system: str
    receiver: str
    rule: str
    place: str
    because: str
    provision: str
    within: dict[str, Any] | None
    deadline: str
    fields: list[str]
    hold: str | None
    detail: str


class NotTold(TypedDict):
    """A system that is not told: why, and the nearest rule (`on` this type, else on the most similar one; or None)."""

    system: str
    why: str
    reason: str
    rule: str | None
    place: str | None


class Covered(TypedDict):
    """A rule that spoke for the event too, but whose receiver is already told by the rule `by`."""

    system: str
    receiver: str
    rule: str
    by: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Who is told of an event and why, who is not and why not.

    `planned` is the plan itself, suppressed deliveries included; the other lists are plain JSON.
    """

    planned: list[Planned]
    told: list[Told]
    not_told: list[NotTold]
    covered: list[Covered]

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain JSON: `told`, `not_told`, `covered`."""
        return {"told": self.told, "not_told": self.not_told, "covered": self.covered}


def unsaid(told: Told, reason: str, event: str, lang: str) -> NotTold:
    """Return what is said of a system whose rule speaks for an event that was not planned for it all the same.

    `reason` is `told`, `loses` or `cancelled`, by another `event`; `facts-only`; or `nothing-new`.
    """
    why = _WORDS.get(lang, _WORDS["en"])[reason].format(event=event)
    return NotTold(system=told["system"], why=why, reason=reason, rule=told["rule"], place=told["place"])


class Case(NamedTuple):
    """What is to be explained: the event, what expressions see of it, and what was planned."""

    view: View
    sources: Mapping[str, Any]
    today: str | None
    planned: list[Planned]


def explain(router: Router, case: Case, lang: str) -> Explanation:
    """Put a plan into words; `lang` is `ja` or `en`, anything else is read as English."""
    return _Explainer(router, case, _WORDS.get(lang, _WORDS["en"])).explanation()


class _Explainer:
    """One event, one plan, one language."""

    def __init__(self, router: Router, case: Case, words: Mapping[str, str]) -> None:
        self.router = router
        self.rules = router.rules
        self.view, self.sources, self.today, self.planned = case
        self.words = words
        self.numbers = router.by_type.get(case.view.type, [])

    def explanation(self) -> Explanation:
        told = [self._told(each) for each in self.planned if each.suppressed is None]
        reached = {each["system"] for each in told}
        not_told = [self._not_told(system) for system in self.rules.systems if system not in reached]
        return Explanation(self.planned, told, not_told, self._covered())

    def _told(self, planned: Planned) -> Told:
        rule = self.rules.rules[planned.rule]
        return Told(
            system=rule.system,
            receiver=self.rules.receivers[planned.receiver],
            rule=rule.id,
            place=self.rules.places[planned.rule],
            because=rule.purpose,
            provision=rule.provision,
            within=rule.within,
            deadline=self._deadline(rule),
            fields=self._fields(rule, planned),
            hold=planned.hold,
            detail=planned.detail,
        )

    def _deadline(self, rule: Rule) -> str:
        if rule.within is None:
            return ""
        within = rule.within
        start, roll = self.words[within["from"]], self.words[within["roll"]]
        return self.words["within"].format(days=within["days"], start=start, roll=roll)

    def _fields(self, rule: Rule, planned: Planned) -> list[str]:
        values = planned.values or {}
        return [
            item.name
            for item in sent(rule.send)
            if (item.name in values if item.field is None else find(self.sources, ("data", *item.field)) is not None)
        ]

    def _covered(self) -> list[Covered]:
        rule_of = {each.receiver: each.rule for each in self.planned}
        return [
            Covered(
                system=rule.system,
                receiver=self.rules.receivers[receiver],
                rule=rule.id,
                by=self.rules.rules[rule_of[receiver]].id,
            )
            for number in self.numbers
            if (rule := self.rules.rules[number]).enabled and self._speaks(number)
            for receiver in rule.receivers
            if rule_of.get(receiver, number) != number
        ]

    def _verdict(self, number: int) -> Verdict:
        test = self.router.tests[number]
        return judge(test.compiled, self.sources, self.today) if test else Verdict("true")

    def _speaks(self, number: int) -> bool:
        if is_provisional(self.view.subject) and not self.rules.rules[number].unidentified:
            return False
        test = self.router.tests[number]
        return test is None or test.claim(self._verdict(number)) is not None

    def _not_told(self, system: str) -> NotTold:
        own = [number for number, rule in enumerate(self.rules.rules) if rule.system == system]
        tried = [number for number in self.numbers if number in own]
        if tried:
            found = [(number, *self._silence(number)) for number in tried]
            nearest, reason, _ = found[0]
            whys = [self.words["rule"].format(rule=self.rules.rules[each].id, why=why) for each, _, why in found]
        elif own:
            nearest, reason = self._most_similar(own), "type"
            rule = self.rules.rules[nearest]
            on = self.words["join"].join(rule.on)
            whys = [self.words["type"].format(type=self.view.type, rule=rule.id, on=on)]
        else:
            nearest, reason, whys = None, "nothing", [self.words["nothing"]]
        if self.view.attributes.get("source") in {system, f"/systems/{system}"}:
            whys.append(self.words["own"])
        return NotTold(
            system=system,
            why=self.words["between"].join(whys),
            reason=reason,
            rule=None if nearest is None else self.rules.rules[nearest].id,
            place=None if nearest is None else self.rules.places[nearest],
        )

    def _silence(self, number: int) -> tuple[str, str]:
        """Return why a rule on this type tells nobody: a short word, and words."""
        rule = self.rules.rules[number]
        verdict = self._verdict(number)
        if is_provisional(self.view.subject) and not rule.unidentified:
            return "unidentified", self.words["unidentified"]
        if not self._speaks(number):
            when = (rule.when or "").strip()
            return verdict.answer, self.words[verdict.answer].format(
                when=when, seen=self._seen(number), missing=self.words["join"].join(verdict.missing)
            )
        if not rule.enabled:
            return "disabled", self.words["rule-disabled"]
        if not rule.receivers:
            return "no-receiver", self.words["no-receiver"]
        names = self.words["join"].join(self.rules.receivers[receiver] for receiver in rule.receivers)
        return "disabled", self.words["receiver-disabled"].format(receivers=names)

    def _seen(self, number: int) -> str:
        test = self.router.tests[number]
        paths = sorted(test.compiled.paths) if test else []
        return self.words["join"].join(f"{'.'.join(path)} = {self._value(path)}" for path in paths)

    def _value(self, path: tuple[str, ...]) -> str:
        """Return a value as shown; where a person is stays unsaid, whoever asks."""
        value = find(self.sources, path)
        return HIDDEN if value is not None and locates_person([self.view.type], path) else self._shown(value)

    def _shown(self, value: Any) -> str:
        if value is None:
            return self.words["absent"]
        text = orjson.dumps(dict(value) if isinstance(value, Mapping) else value).decode()
        return text if len(text) <= LONGEST else text[:LONGEST] + "…"

    def _most_similar(self, own: list[int]) -> int:
        """Return the rule on the type most like this event's; of equal ones the first."""

        def likeness(number: int) -> float:
            return max(
                (SequenceMatcher(None, each, self.view.type).ratio() for each in self.rules.rules[number].on),
                default=0.0,
            )

        return max(own, key=likeness)
