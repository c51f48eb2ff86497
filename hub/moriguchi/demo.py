"""`hub demo`: a day in the sample city, end to end.

The legacy systems are stand-ins with data of their own; between them stands the hub and nothing else. What the demo
prints it asked of the hub (`hub events show` and its like) or read from the stand-ins' own tables.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import chain
from random import Random
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hub.moriguchi import forms, life
from hub.moriguchi.app_hub import AppHub
from hub.moriguchi.cast import Cast, choose
from hub.moriguchi.command_hub import CommandHub, Hub
from hub.moriguchi.generator import age_on
from hub.moriguchi.sample import install_sample, read_city, set_water_port, water_port
from hub.moriguchi.story import MADE, Scene, Shown, Storyteller
from hub.moriguchi.town import Town
from hub.moriguchi.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from hub.moriguchi.forms import LegacyRow
    from hub.moriguchi.generator import Resident

__all__ = ["AppHub", "CommandHub", "Hub", "install_sample", "run_demo"]

DAYS = 30  # of ordinary life that come in together with the scenes
GROWTH = 300  # residents who move in when nobody is left for a role
OUTAGE = 2.0  # seconds without progress after which the demo stops waiting for the water service
_NO_SUCH_DAY = "令和8年13月40日"


def run_demo(hub: Hub, *, residents: int, lang: str, out: Console) -> int:
    """Let a day pass in the sample city of `hub.folder` and print what became of it, in `lang` (`ja` or `en`).

    The folder becomes the sample city if it is none yet. Returns 0 when all who should know were told and only the
    broken row is in quarantine, else 1. Raises what the hub raises (HubError).
    """
    started = time.monotonic()
    install_sample(hub.folder)
    day = _Day(hub, out, Words(lang))
    with day.town.suido as water:
        port = water_port(hub.folder)
        if (served := water.start(port)) != port:
            set_water_port(hub.folder, served)
        day.fill(residents)
        day.happen()
        return day.tell(started)


class _Day:
    """One day: what is made to happen, and what is asked afterwards."""

    def __init__(self, hub: Hub, out: Console, words: Words) -> None:
        city = read_city(hub.folder)
        self.town = Town(hub.folder)
        self._hub = hub
        self._words = words
        self._titles = {name: system.title.get(words.lang, name) for name, system in city.systems.items()}
        self._story = Storyteller(out, words, self._titles)
        self._today = datetime.now(ZoneInfo(city.timezone)).date()
        self._no = self.town.juki.changes()
        self._random = Random(f"demo-{self._no}")  # noqa: S311 (a repeatable draw, not a secret one)
        self._since = ""

    # --- what happens ----------------------------------------------------------------------------------------------

    def fill(self, count: int) -> None:
        """Let residents live in the city, more of them if nobody is left for a role, and the hub know of them."""
        self._story.opening(str(self._hub.folder), again=self._no > 0)
        self.town.settle(count)
        while (cast := choose(self.town.undisturbed(), self._today)) is None:
            self.town.settle(self.town.juki.settled() + GROWTH)
        self._cast = cast
        if self.town.facts.exists():
            self._story.step("settle", count=self.town.juki.settled())
            began = time.monotonic()
            self._hub.publish(self.town.facts, facts_only=True)
            self._hub.drain()
            self.town.facts.unlink()
            self._story.note("second", seconds=time.monotonic() - began)

    def happen(self) -> None:
        """Let the day's reports come in, first while the water service is down, then after it is back."""
        town, cast = self.town, self._cast
        self._before = self._rows(cast.family[0])
        self._since = datetime.now(UTC).isoformat(timespec="milliseconds")
        now, later, ordinary = self._reports(cast)

        self._story.step("report", changes=ordinary)
        town.suido.is_down = True
        town.shinsei.apply(cast.applicants[0], "kodomo-iryo", cast.child, self._today)
        town.happen(now, self._today)
        self._story.step("down")
        self._drain(wait=OUTAGE)
        waiting = [each for each in self._made_for("suido") if each["status"] not in MADE]
        self._story.late = {each["id"] for each in waiting}
        self._story.note("waiting", count=len(waiting))

        self._story.step("evening", count=town.kaigo.import_files())
        town.suido.is_down = False
        self._story.step("up")
        town.happen(later, self._today)
        town.juki.take_back(cast.mistaken[0].number, self._today)
        self._clear = self._drain(wait=30.0)
        self._story.step("answer")
        town.kokuho.import_files()
        self._after = self._rows(cast.family[0])

    def _drain(self, *, wait: float) -> bool:
        began = time.monotonic()
        clear = self._hub.drain(wait=wait)
        self._story.note("second", seconds=time.monotonic() - began)
        return clear

    def _reports(self, cast: Cast) -> tuple[list[LegacyRow], list[LegacyRow], int]:
        """Return what the systems write down at once, what 住基 and 国保 add later, and how many ordinary changes."""
        serials = life.Serials(self.town.juki.next_serial())
        day = self._today - timedelta(days=8)  # so that everything was notified by today

        def scene(members: list[Resident], who: Resident) -> life.Scene:
            return life.Scene(self._random, {each.number: each for each in members}, who.number, day, serials)

        family = life.moved(scene(cast.family, cast.family[0]))
        death = life.death(scene(cast.bereaved, cast.deceased))
        birth = life.birth(scene(cast.parents, cast.mother))
        mistake = forms.juki(cast.mistaken[0], "世帯変更", day, day)
        self._child = birth.subjects[0]
        households = (each for each in self.town.undisturbed() if each[0].household_no not in cast.numbers)
        start = day - timedelta(days=DAYS)
        ordinary = life.life(chain.from_iterable(households), DAYS, self._no, start=start, next_serial=serials.take())
        rows = [mistake, *(row for change in (family, death, birth, *ordinary) for row in change.rows)]
        heard_first = {"death", "birth"}  # of these 戸籍 hears first
        later = [
            row
            for change in (death, birth, *ordinary)
            for row in change.rows
            if row.system == "kokuho" or (row.system == "juki" and change.kind in heard_first)
        ]
        now = [row for row in rows if row not in later]
        now.append(forms.koseki(cast.applicants[0], "婚姻届", day, day, 事件日=_NO_SUCH_DAY))
        return now, later, len(ordinary)

    def _rows(self, person: Resident) -> dict[str, Mapping[str, Any]]:
        return {
            "kokuho": self.town.kokuho.member(person.number) or {},
            "suido": self.town.suido.contract(person.number) or {},
        }

    def _made_for(self, system: str) -> list[dict[str, Any]]:
        return self._hub.deliveries(since=self._since, system=system)

    # --- what became of it -----------------------------------------------------------------------------------------

    def tell(self, started: float) -> int:
        """Print everything; return the exit code."""
        story, cast = self._story, self._cast
        events = self._hub.events(since=self._since)
        for scene in self._scenes(events):
            story.scene(scene)
        story.heading("before-after")
        for system, before in self._before.items():
            story.rows(system, cast.family[0], before, self._after[system])
        deliveries = self._hub.deliveries(since=self._since)
        entries = [each for each in self._hub.quarantine() if str(each.get("at") or self._since) >= self._since]
        story.quarantine(entries)
        story.totals(self._totals(events, deliveries, started))
        problems = self._problems(deliveries, entries)
        story.ending(str(self._hub.folder), problems)
        return 1 if problems else 0

    def _scenes(self, events: Sequence[Mapping[str, Any]]) -> list[Scene]:
        cast = self._cast
        mother = cast.mother
        plays: list[tuple[str, Resident, list[str]]] = [
            ("scene-family", cast.family[0], [member.number for member in cast.family]),
            ("scene-death", cast.deceased, [cast.deceased.number]),
            ("scene-birth", mother, [self._child]),
            ("scene-application", cast.applicants[0], [cast.applicants[0].number]),
        ]
        scenes = []
        for key, person, numbers in plays:
            found = [each for number in numbers for each in reversed(events) if each["subject"] == number]
            shown = [Shown(self._hub.event(_reference(each))) for each in found]
            if shown:
                scenes.append(Scene(key, person, age_on(person.birth_date, self._today), shown))
        return scenes

    def _totals(
        self, events: Sequence[Mapping[str, Any]], deliveries: Sequence[Mapping[str, Any]], started: float
    ) -> list[tuple[str, str]]:
        made = [each for each in deliveries if each["status"] in MADE]
        told = {(each["subject"], each["type"], each["system"]) for each in made}
        first: dict[tuple[str, str], str] = {}
        repeats, unmatched = 0, 0
        for event in reversed(events):
            is_repeat = first.setdefault((event["subject"], event["type"]), event["source"]) != event["source"]
            repeats += is_repeat
            unmatched += event["status"] == "unmatched" and not is_repeat
        return [
            ("events", f"{len(events):,}"),
            ("repeats", f"{repeats:,}"),
            ("unmatched", f"{unmatched:,}"),
            ("deliveries", f"{len(made):,}"),
            ("retried", f"{sum(each['id'] in self._story.late for each in made):,}"),
            ("confirmed", f"{sum(each['status'] == 'confirmed' for each in made):,}"),
            ("unfinished", f"{len(deliveries) - len(made):,}"),
            ("all-spared", f"{len(told):,}"),
            ("latency", self._latency([each for each in made if each["id"] not in self._story.late])),
            ("elapsed", self._words("second", seconds=time.monotonic() - started)),
        ]

    def _latency(self, made: Sequence[Mapping[str, Any]]) -> str:
        taken = [_seconds(each["delivered_at"]) - _seconds(each["planned_at"]) for each in made]
        if len(taken) < 2:
            return "-"
        most = quantiles(taken, n=20)[-1]
        middle, high = (self._words("second", seconds=seconds) for seconds in (median(taken), most))
        return self._words("latency-of", median=middle, most=high)

    def _problems(self, deliveries: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]) -> list[str]:
        problems = []
        if not self._clear or any(each["status"] not in MADE | {"suppressed", "scheduled"} for each in deliveries):
            problems.append(self._words("bad-waiting"))
        if len(entries) != 1:
            problems.append(self._words("bad-quarantine", count=len(entries)))
        taken = self.town.suido.notices()
        if any(each["id"] not in taken for each in self._made_for("suido")):
            problems.append(self._words("bad-water"))
        for system, before in self._before.items():
            if before and before == self._after[system]:
                problems.append(self._words("bad-row", system=self._titles[system]))
        return problems


def _reference(event: Mapping[str, Any]) -> str:
    return f"{str(event['source']).removeprefix('/systems/')}/{event['id']}"


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
