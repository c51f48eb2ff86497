"""The `when` tests of one event type, arranged so that an event pays only for those that could be true.

Three things keep a city of thousands of rules as fast as one of sixty. Tests that read the same values form a group,
and a group's answer is remembered by those values. A group is reached through a tree of the paths it needs, so that
values the event or the resident does not have cost nothing. Within a group, tests with a term `path == "text"` are
looked up by the text rather than tried one by one. None of the three changes an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from hub.events.wire import Lazy
from hub.routing.expressions import Compiled, ExpressionFault, Missing
from hub.routing.tokens import Token, literal, tokens_of
from hub.routing.values import Path, find, typed

Sources = Mapping[str, Any]
_Judge = Callable[[Compiled, Sources, "str | None"], "Verdict"]

REMEMBERED: Final = 50_000  # answers kept by one router before it starts over
_FEW: Final = 4  # names that are tried without counting what is there
_NESTED: Final = frozenset({dict, Lazy})  # what is seen to be a mapping without asking for its base classes


class Verdict(NamedTuple):
    """What a test says: `answer` is `true`, `false`, `unknown` or `fault`.

    `missing` are the dotted paths that left it unknown, `fault` the message of an expression that went wrong.
    """

    answer: str
    missing: tuple[str, ...] = ()
    fault: str = ""


_TRUE = Verdict("true")
_FALSE = Verdict("false")


def judge(compiled: Compiled, sources: Sources, today: str | None) -> Verdict:
    """Judge one test on its own, without index or memory: the meaning the fast path agrees with."""
    missing = [".".join(path) for path in compiled.needed if find(sources, path) is None]
    return Verdict("unknown", tuple(missing)) if missing else _verdict(compiled, sources, today)


def _verdict(compiled: Compiled, sources: Sources, today: str | None) -> Verdict:
    """Judge a test whose paths are all there."""
    try:
        value = compiled.evaluate(sources, today=today)
    except Missing as error:
        return Verdict("unknown", (".".join(error.path),))
    except ExpressionFault as error:
        return Verdict("fault", fault=error.message)
    if type(value) is not bool:
        return Verdict("fault", fault=f"it gives {value!r}, not true or false, in: {compiled.source}")
    return _TRUE if value else _FALSE


class Claim(NamedTuple):
    """A rule that speaks for an event: plainly (`hold` None), or only once a person has looked (`hold` = `ask`)."""

    rule: int
    hold: str | None = None
    detail: str = ""


class Test:
    """A rule's test: `unknown` is `skip`, `send` or `ask`, `place` names the rule in what people read."""

    __slots__ = ("_speaks", "compiled", "place", "rule", "unknown")

    def __init__(self, rule: int, compiled: Compiled, unknown: str, place: str) -> None:
        self.rule = rule
        self.compiled = compiled
        self.unknown = unknown
        self.place = place
        self._speaks = Claim(rule)

    def claim(self, verdict: Verdict) -> Claim | None:
        """Return what a verdict makes of the rule: it speaks, a person must look, or (None) it is silent."""
        if verdict.answer == "true":
            return self._speaks
        if verdict.answer == "fault":
            return Claim(self.rule, "ask", f"{self.place}: {verdict.fault}")
        if verdict.answer == "false" or self.unknown == "skip":
            return None
        if self.unknown == "send":
            return self._speaks
        return Claim(self.rule, "ask", f"{self.place}: `when` is unknown: {', '.join(verdict.missing)} is missing")


class Memory:
    """Answers by typed values, bounded: a full memory starts over, which costs less than keeping count of use."""

    __slots__ = ("answers",)

    def __init__(self) -> None:
        self.answers: dict[tuple[Any, ...], Any] = {}

    def keep(self, key: tuple[Any, ...], answer: Any) -> None:
        """Remember an answer."""
        if len(self.answers) >= REMEMBERED:
            self.answers.clear()
        self.answers[key] = answer


def text_term(compiled: Compiled) -> tuple[Path, str] | None:
    """Return the path and text of a term `path == "text"` without which the test is false.

    It is a term of the conjunction at the top of the expression. CEL's `&&` is false when any term is, errors or not;
    only a function of the hub may speak up from a term before, so where one is called the first term alone counts.
    """
    terms = conjuncts([token for token in tokens_of(compiled.source) if token.kind != "space"])
    for term in terms[:1] if compiled.calls else terms:
        if len(term) > 2 and term[-2].text == "==" and term[-1].kind == "string":
            path, text = _path(term[:-2]), literal(term[-1].text)
            if path is not None and text is not None:
                return path, text
    return None


def conjuncts(tokens: list[Token]) -> list[list[Token]]:
    """Split at the `&&` of the top level; an expression that is no conjunction has none."""
    terms: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += token.kind == "sign" and (token.text in "([{") - (token.text in ")]}")
        if depth == 0 and token.text in {"||", "?"}:
            return []
        if depth == 0 and token.text == "&&":
            terms.append([])
        else:
            terms[-1].append(token)
    return terms


def _path(tokens: list[Token]) -> Path | None:
    names, dots = tokens[::2], tokens[1::2]
    if len(names) > len(dots) and all(each.kind == "name" for each in names) and all(each.text == "." for each in dots):
        return tuple(name.text for name in names)
    return None


class Group:
    """All tests of one event type that read exactly the same paths, and need the same of them."""

    def __init__(self, number: tuple[int, int], tests: list[Test], memory: Memory) -> None:
        self.number = number
        self.tests = tests
        self.paths = tuple(sorted(tests[0].compiled.paths))
        self.needed = tests[0].compiled.needed
        self.pure = all(test.compiled.pure for test in tests)
        self._single = len(self.paths) == 1
        self._curious = [test for test in tests if test.unknown != "skip"]
        self._read = tests[0].compiled.values
        self._places = tuple(self.paths.index(path) for path in self.needed)
        self._memory = memory
        self._rest: list[Test] = []
        self._by_text: dict[int, dict[str, list[Test]]] = {}
        for test in tests:
            term = text_term(test.compiled)
            if term is None or term[0] not in self.needed:
                self._rest.append(test)
            else:
                texts = self._by_text.setdefault(self.paths.index(term[0]), {})
                texts.setdefault(term[1], []).append(test)

    @property
    def trigger(self) -> Path | None:
        """Return a path without which no rule of the group speaks, or None when one may."""
        return max(self.needed, key=len) if self.needed and not self._curious else None

    def claims(self, sources: Sources, today: str | None, trigger: Any = None) -> tuple[Claim, ...]:
        """Return the claims of the group's rules for these values; `trigger` is the value of its trigger, if found."""
        try:
            values = (typed(trigger),) if self._single and trigger is not None else self._read(sources)
        except (ValueError, TypeError):  # a value expressions cannot hold: each test says so itself
            return self._judged(judge, self.tests, sources, today)
        if not self.pure:
            return self._answer(values, sources, today)
        key = (self.number, *values)
        found: tuple[Claim, ...] | None = self._memory.answers.get(key)
        if found is None:
            found = self._answer(values, sources, today)
            self._memory.keep(key, found)
        return found

    def _answer(self, values: tuple[Any, ...], sources: Sources, today: str | None) -> tuple[Claim, ...]:
        for place in self._places:
            if values[place] is None:
                return self._judged(judge, self._curious, sources, today)
        tests = self._rest
        if self._by_text:
            texts = self._by_text.items()  # a text is equal to no value of another type
            tests = tests + [test for place, by_text in texts for test in by_text.get(values[place], ())]
        return self._judged(_verdict, tests, sources, today)

    @staticmethod
    def _judged(judged: _Judge, tests: Iterable[Test], sources: Sources, today: str | None) -> tuple[Claim, ...]:
        verdicts: dict[str, Verdict] = {}
        claims = []
        for test in tests:
            compiled = test.compiled
            verdict = verdicts.get(compiled.source)
            if verdict is None:
                verdict = verdicts[compiled.source] = judged(compiled, sources, today)
            if claim := test.claim(verdict):
                claims.append(claim)
        return tuple(claims)


class _Node:
    """A step of the paths that groups need; `groups` are those whose path ends here."""

    __slots__ = ("children", "groups", "steps")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.groups: list[Group] = []
        self.steps: list[tuple[str, _Node]] = []  # the children, once all are there

    def complete(self) -> None:
        """Say that all children are there."""
        self.steps = list(self.children.items())
        for child in self.children.values():
            child.complete()

    def reached(self, values: Mapping[str, Any], found: list[tuple[Group, Any]]) -> None:
        """Collect the groups whose path is there, with its value, over the shorter of the asked and the given."""
        steps = self.steps
        if len(steps) > _FEW and len(steps) > len(values):
            children = self.children
            steps = [(name, children[name]) for name in values if name in children]
        for name, child in steps:
            value = values.get(name)
            if value is None:
                continue
            for group in child.groups:
                found.append((group, value))  # noqa: PERF401 - mostly none or one
            if child.steps and (type(value) in _NESTED or isinstance(value, Mapping)):
                child.reached(value, found)


class Index:
    """Finds the groups of one event type that could have anything to say."""

    def __init__(self, groups: list[Group]) -> None:
        self._always = [group for group in groups if group.trigger is None]
        self._root = _Node()
        for group in groups:
            if group.trigger is not None:
                node = self._root
                for name in group.trigger:
                    node = node.children.setdefault(name, _Node())
                node.groups.append(group)
        self._root.complete()

    def claims(self, sources: Sources, today: str | None) -> list[Claim]:
        """Return the claims of all groups, in no order."""
        reached: list[tuple[Group, Any]] = []
        self._root.reached(sources, reached)
        found: list[Claim] = []
        for group in self._always:
            found += group.claims(sources, today)
        for group, value in reached:
            found += group.claims(sources, today, value)
        return found
