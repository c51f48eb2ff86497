"""Tells what became of the reports, in blocks that fit a narrow terminal."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from shutil import which
from typing import TYPE_CHECKING, Any

from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from hub.events.catalogue import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from hub.moriguchi.generator import Resident
    from hub.moriguchi.words import Words

MADE = {"delivered", "confirmed", "warning"}
_MARKS = {**dict.fromkeys(MADE, ("✓", "green")), "suppressed": ("–", "dim"), "dead": ("✗", "red")}
_FEW = 10  # systems named for one reason
_LIMIT = 34  # of a value in a before/after table that is not folded


@dataclass(frozen=True, slots=True)
class Shown:
    """One event as `hub events show` gives it."""

    answer: Mapping[str, Any]

    @property
    def event(self) -> Mapping[str, Any]:
        """Return the CloudEvent."""
        event: Mapping[str, Any] = self.answer["event"]
        return event

    @property
    def system(self) -> str:
        """Return who reported it."""
        return str(self.event["source"]).removeprefix("/systems/")

    @property
    def deliveries(self) -> Sequence[Mapping[str, Any]]:
        """Return its deliveries."""
        deliveries: Sequence[Mapping[str, Any]] = self.answer["deliveries"]
        return deliveries


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that happened: its title, the person it is about and their age, its events in order."""

    key: str
    person: Resident
    age: int
    events: Sequence[Shown]


class Storyteller:
    """Prints scenes and summaries; `titles` names the systems in the reader's language."""

    def __init__(self, out: Console, words: Words, titles: Mapping[str, str]) -> None:
        self._out = out
        self._words = words
        self._titles = titles
        self.late: set[str] = set()  # keys of deliveries that had to wait

    def opening(self, folder: str, *, again: bool) -> None:
        """Print the title."""
        words = self._words
        lines = [Text(words("promise"), style="bold")]
        if again:
            lines.append(Text(words("again"), style="dim"))
        lines.append(Text(folder, style="dim", overflow="fold"))
        self._out.print(Panel(Text("\n").join(lines), title=words("title"), border_style="cyan"))

    def step(self, key: str, **values: object) -> None:
        """Print one line of what is being done."""
        self._out.print(Text.assemble(("▸ ", "cyan"), self._words(key, **values)))

    def note(self, key: str, **values: object) -> None:
        """Print one line below a step."""
        self._out.print(Text.assemble("  ", (self._words(key, **values), "dim")))

    # --- scenes ----------------------------------------------------------------------------------------------------

    def scene(self, scene: Scene) -> None:
        """Print a scene: who it is about, and of each event who was told, who was not, and why not."""
        words, first = self._words, scene.events[0]
        self._heading(words(scene.key))
        self._out.print(self._who(scene))
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
        table.add_row("  " + words("reported"), self._reported(first, scene))
        table.add_row("  " + words("told"), self._told(first))
        label = "  " + words("not-told")
        for why, systems in self._not_told(first):
            table.add_row(label, Text.assemble((why + ": ", "italic"), systems))
            label = ""
        for shown in scene.events[1:]:
            repeated = shown.event["subject"] == first.event["subject"]
            told = self._told(shown, nobody="known" if repeated else "nobody")
            who = self._reported(shown, scene) if repeated else Text(_name(shown), style="bold")
            table.add_row("  " + words("others"), Text.assemble(who, " → ", told))
        self._out.print(table)
        identity = f"{first.system}/{first.event['id']}"
        self._out.print(Text("  " + words("explain", id=identity), style="dim", overflow="fold"))
        spared = set().union(*(spared_by(shown) for shown in scene.events))
        count = words("spared-of", count=len(spared))
        self._out.print(Text.assemble(f"  {words('spared')}: ", (count, "bold green")))

    def _heading(self, text: str) -> None:
        self._out.print()
        self._out.print(Rule(Text(text, style="bold"), align="left", style="cyan"))

    def _who(self, scene: Scene) -> Text:
        words, person = self._words, scene.person
        role = words("head" if person.is_head else person.relationship)
        age = words("age", age=scene.age)
        return Text.assemble("  ", (_plain(person.name), "bold"), f" {person.number} ({role}{words('and')}{age})")

    def _reported(self, shown: Shown, scene: Scene) -> Text:
        kind = TYPES.get(shown.event["type"])
        title = getattr(kind, self._words.lang, shown.event["type"])
        if shown.event["subject"] != scene.person.number:
            title = self._words("about", kind=title, name=_name(shown))
        return Text.assemble(self._title(shown.system), ": ", (title, "cyan"))

    def _told(self, shown: Shown, *, nobody: str = "nobody") -> Text:
        told = told_of(shown)
        if not told:
            return Text(self._words(nobody), style="dim")
        late = {each["system"] for each in shown.deliveries if each["id"] in self.late}
        parts = []
        for system, status in told.items():
            mark, style = _MARKS.get(status, ("…", "yellow"))
            after = (self._words("late"), "yellow") if system in late else ""
            parts.append(Text.assemble(self._title(system), (mark, style), after))
        line = Text(self._words("join")).join(parts)
        amended = all(each.get("action") == "correct" for each in shown.deliveries)
        return Text.assemble(self._words("amended"), line) if amended else line

    def _not_told(self, shown: Shown) -> list[tuple[str, str]]:
        """Return why systems are not told, each reason with its systems."""
        grouped: dict[str, list[str]] = {}
        for item in shown.answer["not_told"]:
            grouped.setdefault(self._why(item), []).append(self._title(item["system"]))
        return [(why, self._few(systems)) for why, systems in grouped.items()]

    def _few(self, systems: list[str]) -> str:
        """Return their names, or how many there are when nobody would read them all."""
        few = len(systems) <= _FEW
        return self._words("join").join(systems) if few else self._words("systems", count=len(systems))

    def _why(self, item: Mapping[str, Any]) -> str:
        key = f"why-{item.get('reason')}"
        return self._words(key) if self._words.has(key) else str(item["why"])

    def _title(self, system: str) -> str:
        return self._titles.get(system, system)

    # --- summaries -------------------------------------------------------------------------------------------------

    def rows(self, system: str, person: Resident, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Print a legacy system's own row before and after; what changed stands out."""
        words = self._words
        title = words("whose", system=self._title(system), name=_plain(person.name))
        table = Table(title=title, title_justify="left", expand=False)
        table.add_column(words("item"), no_wrap=True)
        for column in ("before", "after"):
            table.add_column(words(column), overflow="fold", max_width=_LIMIT)
        for name, value in after.items():
            old, new = str(before.get(name) or ""), str(value or "")
            if old != new:
                table.add_row(name, old, Text(f"▸ {new}", style="bold green"))
            elif new:
                table.add_row(name, Text(old, style="dim"), Text(new, style="dim"))
        self._out.print(table)

    def heading(self, key: str) -> None:
        """Print a heading."""
        self._heading(self._words(key))

    def quarantine(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Print what is in quarantine: where it stood and why."""
        words = self._words
        self.heading("quarantine")
        if not entries:
            self._out.print(Text("  " + words("nothing-in-quarantine")))
        for entry in entries:
            self._out.print(Text.assemble("  ", (str(entry.get("place", "")), "bold"), overflow="fold"))
            self._out.print(Text.assemble("    ", (str(entry.get("message", "")), "yellow"), overflow="fold"))

    def totals(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print the summary's lines."""
        self.heading("totals")
        table = Table.grid(padding=(0, 2))
        table.add_column(overflow="fold")
        table.add_column(justify="right", style="bold", overflow="fold")
        for label, value in rows:
            table.add_row("  " + self._words(label), value)
        self._out.print(table)

    def ending(self, folder: str, problems: Sequence[str]) -> None:
        """Print whether all went as it should."""
        words = self._words
        self._out.print()
        if problems:
            self._out.print(Text(words("not-done"), style="bold red"))
        else:
            self._out.print(Text(words("done"), style="bold green"))
        for problem in problems:
            self._out.print(Text(f"  ✗ {problem}", style="red"))
        command = "hub" if which("hub") else sys.argv[0]
        self._out.print(Text(words("look", command=command, folder=folder), style="dim", overflow="fold"))


def told_of(shown: Shown) -> dict[str, str]:
    """Return the systems an event is told to, each with the status that lags most."""
    told: dict[str, str] = {}
    for delivery in shown.deliveries:
        system, status = delivery["system"], delivery["status"]
        told[system] = status if told.get(system, "delivered") in MADE else told[system]
    return told


def spared_by(shown: Shown) -> set[str]:
    """Return the systems the hub told: counters the resident, who told one, needs not go to."""
    return {system for system, status in told_of(shown).items() if status in MADE}


def _name(shown: Shown) -> str:
    return _plain(str(shown.event["data"].get("name", shown.event["subject"])))


def _plain(name: str) -> str:
    return name.replace("\u3000", " ")
