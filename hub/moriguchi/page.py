"""Writes docs/moriguchi.md from the sample city's own files, so that the page stays true.

`python -m hub.moriguchi.page docs/moriguchi.md` writes it; a test compares it with the file.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from hub.events.catalogue import TYPES
from hub.settings.load import load_city

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hub.settings.models import City, Receiver, Source, System

CITY = Path(__file__).parent / "city"
COMMAND = "python -m hub.moriguchi.page docs/moriguchi.md"
KINDS = (
    "resident.moved-in",
    "resident.moved",
    "resident.moved-out",
    "resident.born",
    "resident.died",
    "resident.married",
    "resident.divorced",
    "resident.name-changed",
    "household.changed",
    "resident.address-renumbered",
    "resident.mailing-changed",
    "guardian.appointed",
    "resident.protection-started",
)
HEAD = """\
<!-- Written by `{command}`; a test keeps it true. -->

# The sample city

Moriguchi (守口市) as a city folder: {systems} systems of {departments} departments, {rules} rules, {transports}
transports. `make demo` lets a day pass in it, `hub init DIR --sample moriguchi` writes it into a folder of your own.
Its residents are invented. The systems, their owners and who must be told of what are an example for the city to
confirm: what a rule rests on is marked 要確認 until somebody has.

Beside their rules the systems show what a city's systems are like:

- `juki` has a history that is polled (`database`), a list of protected residents, and a nightly full extract
  (`mode: snapshot`) that shares its state with the history.
- `koseki` hears of deaths and births first, with era dates and a guard against a day that cannot be.
- `kaigo` and `kotei` import fixed-width files at night, within a window of the city's calendar; `kaigo` answers next
  morning with what it refused.
- `suido` is a service over HTTP, `koki` and `inkan` have tables the hub writes into, `shuno` listens on a Kafka topic,
  `seiho` fetches its feed, `jutaku` and `atena` work with workbooks.
- `madoguchi` scans paper forms, which an AI-OCR reads; `shinsei` takes online applications with what was attached;
  `okuyami` has a printer and nothing else.
- Robots type for `enjo` (they fetch their work), `gakudo` (UiPath) and `nogyo` (WinActor); `inu` is told by mail,
  `boen` in its room of the chat, `jiritsu` on object storage, `tokuji` on the prefecture's SFTP server. `make demo`
  tells none of these seven, since no invented resident has a dog or farmland;
  `tests/acceptance/test_sample_neighbours.py` does.
  `secrets/` holds the stand-ins' own.
- A cancellation reaches everybody who was told, without a rule.

`tests/*.yaml` in the city say who is told what; `hub test` runs them. The rules are held to the table of who must be
told in `tests/unit/moriguchi/test_matrix.py`.
"""


def page(city: City) -> str:
    """Return the page for a city."""
    systems = list(city.systems.values())
    owners = sorted({system.owner for system in systems})
    transports = {receiver.adapter for receiver in city.receivers()} | {
        source.adapter for system in systems for source in system.sources.values()
    }
    head = HEAD.format(
        command=COMMAND,
        systems=len(systems),
        departments=len(owners),
        rules=len(city.subscriptions()),
        transports=len(transports),
    )
    parts = (head, *_departments(systems, owners), *_systems(systems), *_kinds(systems), *_transports(city))
    return "\n".join(parts) + "\n"


def _departments(systems: list[System], owners: list[str]) -> Iterator[str]:
    yield "## Departments\n"
    yield from _table(
        ("department", "systems", "rules"),
        (
            (owner, ", ".join(each.system for each in own), str(sum(len(each.subscribes) for each in own)))
            for owner in owners
            for own in [[each for each in systems if each.owner == owner]]
        ),
    )


def _systems(systems: list[System]) -> Iterator[str]:
    yield "\n## Systems\n"
    yield from _table(
        ("system", "", "reports by", "is told by", "rules", "of protected residents"),
        (
            (
                f"`{each.system}`",
                f"{each.title.get('ja', '')} · {each.title.get('en', '')}",
                "<br>".join(_source(source) for source in each.sources.values()) or "–",
                "<br>".join(_receiver(receiver) for receiver in each.receives.values()) or "–",
                str(len(each.subscribes)),
                _protected(each),
            )
            for each in systems
        ),
    )


def _kinds(systems: list[System]) -> Iterator[str]:
    yield "\n## Who has a rule on what\n"
    titles = [TYPES[kind].ja for kind in KINDS]
    told = [each for each in systems if each.subscribes]
    yield from _table(
        ("system", *titles),
        ((f"`{each.system}`", *("✓" if _has(each, kind) else "" for kind in KINDS)) for each in told),
    )


def _transports(city: City) -> Iterator[str]:
    yield "\n## Transports\n"
    sinks = Counter(receiver.adapter for receiver in city.receivers())
    sources = Counter(source.adapter for system in city.systems.values() for source in system.sources.values())
    yield from _table(
        ("transport", "sources", "receivers"),
        (
            (f"[`{name}`](reference/adapters/{name}.md)", str(sources[name]), str(sinks[name]))
            for name in sorted(sinks | sources)
        ),
    )


def _source(source: Source) -> str:
    marks = [source.adapter, *(["full extract"] if source.mode == "snapshot" else [])]
    return " ".join([*marks, *(["guard"] if source.guard else [])])


def _receiver(receiver: Receiver) -> str:
    window = [f"by {receiver.window.closes}"] if receiver.window and receiver.window.closes else []
    return " ".join([receiver.adapter, *window, *(["answered"] if receiver.acknowledged else [])])


def _protected(system: System) -> str:
    if not system.protected:
        return "–"
    return system.protected.mode + (", flag" if system.protected.send_flag else "")


def _has(system: System, kind: str) -> bool:
    return any(kind in rule.on for rule in system.subscribes)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = tuple(head)
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(load_city(CITY, environ={})), encoding="utf-8")
