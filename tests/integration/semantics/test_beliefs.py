"""Whatever comes in whatever order, every receiver believes in the end what a plain model says it must.

`HUB_BELIEFS=500` plays that many histories, `HUB_BELIEFS_SEED=n` others than usual.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.integration.semantics.world import World

EXAMPLES = int(os.environ.get("HUB_BELIEFS", "12"))
SEED = int(os.environ.get("HUB_BELIEFS_SEED", "1"))
RECEIVERS = {
    "all": "subscribes:\n  - {id: r, on: resident.died, send: [died_on, household_no], because: 試験}",
    "some": "subscribes:\n  - {id: r, on: resident.died, when: 'data.died_on == \"2026-11-02\"', send: [died_on], "
    "because: 試験}",
    "computed": "subscribes:\n  - {id: r, on: resident.died, send: [{no: 'pad(data.household_no, 3)'}], because: 試験}",
}
FIELDS = {"all": ("died_on", "household_no"), "some": ("died_on",), "computed": ("no",)}
RANKS = {"koseki": 0, "juki": 1, "x": 2, "all": 2}  # `all` is told, too: what it repeats is an echo


@dataclass
class Report:
    system: str
    values: dict[str, str]
    how: str = "first"
    standing: bool = True


@dataclass
class Occurrence:
    """A death, as the model knows it: the reports of it, in order, by the event that came first, and who has heard."""

    name: str
    reports: list[Report] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)

    def voices(self, without: Report | None = None) -> list[Report]:
        standing = [each for each in self.reports if each.standing and each is not without]
        for hows in ({"first", "adds", "wins"}, {"repeats"}, {"loses"}):
            if found := [each for each in standing if each.how in hows]:
                return found
        return []

    def values(self, without: Report | None = None) -> dict[str, str] | None:
        voices = self.voices(without)
        found: dict[str, str] = {}
        for each in voices:
            found = {**found, **each.values} if each.how == "wins" else {**each.values, **found}
        return found if voices else None

    def place(self, report: Report, *, told: bool) -> None:
        """Decide how a report stands to what the others say."""
        others, known = self.voices(report), self.values(report)
        if known is None:
            return
        if any(known.get(name, value) != value for name, value in report.values.items()):
            best = min(RANKS[each.system] for each in others)
            report.how = "wins" if RANKS[report.system] < best else "loses"
        elif report.values.keys() - known.keys():
            report.how = "adds"
        else:
            report.how = "echoes" if told else "repeats"

    def spread(self) -> None:
        """Note who hears of what stands now."""
        values = self.values()
        if values is not None:
            self.heard |= {"all", "computed"} | ({"some"} if values["died_on"] == "2026-11-02" else set())


def seen(receiver: str, occurrence: Occurrence) -> dict[str, str] | None:
    """Return what a receiver must believe of an occurrence it has heard of; None: that it is not so."""
    values = occurrence.values()
    if values is None:
        return None
    number = values.get("household_no")
    shown = {**values, **({"no": number.rjust(3, "0")} if number else {})}
    return {name: shown[name] for name in FIELDS[receiver] if name in shown}


VALUES = st.fixed_dictionaries(
    {"died_on": st.sampled_from(["2026-11-01", "2026-11-02"])}, optional={"household_no": st.sampled_from(["7", "8"])}
)


class Beliefs(RuleBasedStateMachine):
    """One resident's death, reported, corrected, cancelled and repeated by systems of different rank."""

    reports = Bundle("reports")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name)
        hub = "authority: {resident.died: [koseki, juki]}\n"
        self.world = World(path / "city", f"sqlite:///{path}/ledger.db", RECEIVERS, hub)
        self.occurrences: list[Occurrence] = []
        self.poll: list[dict[str, Any]] = []

    def teardown(self) -> None:
        try:
            if self.poll:
                self.believe()
        finally:
            self.world.close()
            self.folder.cleanup()

    # --- what comes --------------------------------------------------------------------------------------------

    @rule(target=reports, system=st.sampled_from(sorted(RANKS)), values=VALUES)
    def report(self, system: str, values: dict[str, str]) -> tuple[Occurrence, Report, dict[str, Any]]:
        event = self.world.event("resident.died", system=system, name="守口 花子", **values)
        self.poll.append(event)
        report = Report(system, values)
        current = next((each for each in reversed(self.occurrences) if each.voices()), None)
        if current is None or system == current.reports[0].system or {e.system for e in current.voices()} == {system}:
            current = Occurrence(f"{system}/{event['id']}", [report])
            self.occurrences.append(current)
        else:
            current.reports.append(report)
            current.place(report, told=system in current.heard)
        current.spread()
        return current, report, event

    @rule(which=reports, values=VALUES)
    def correct(self, which: tuple[Occurrence, Report, dict[str, Any]], values: dict[str, str]) -> None:
        occurrence, report, event = which
        right = {"effective_on": "2026-11-20", "name": "守口 花子", **values}
        self.poll.append(self.world.event("event.corrected", system=report.system, event_id=event["id"], data=right))
        if report.standing:
            report.values = values
            if report is not occurrence.reports[0]:
                occurrence.place(report, told=report.how == "echoes")
            occurrence.spread()

    @rule(which=reports)
    def cancel(self, which: tuple[Occurrence, Report, dict[str, Any]]) -> None:
        occurrence, report, event = which
        self.poll.append(self.world.event("event.cancelled", system=report.system, event_id=event["id"]))
        report.standing = False
        occurrence.spread()

    @rule(which=reports)
    def repeat(self, which: tuple[Occurrence, Report, dict[str, Any]]) -> None:
        self.poll.append(which[2])

    # --- what is believed --------------------------------------------------------------------------------------

    @precondition(lambda self: self.poll)
    @rule()
    def believe(self) -> None:
        self.world.report(*self.poll)
        self.poll.clear()
        self.world.deliver()
        assert self.world.codes() == []
        for receiver in RECEIVERS:
            found: dict[str, Any] = {}
            for told in self.world.told(receiver):
                about = told.get("corrects") or f"{told['source'].removeprefix('/systems/')}/{told['id']}"
                found[about] = None if told["action"] == "cancel" else told["data"]
            assert found == {each.name: seen(receiver, each) for each in self.occurrences if receiver in each.heard}


def test_every_receiver_believes_what_stands():
    run_state_machine_as_test(
        seed(SEED)(Beliefs),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=12,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
