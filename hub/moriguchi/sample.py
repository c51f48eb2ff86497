"""Puts the sample city into a folder: its files, the folders systems exchange files in, and empty stand-ins."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

from hub.moriguchi.town import Town
from hub.settings.load import load_city

if TYPE_CHECKING:
    from hub.settings.models import City

ENVIRONMENT = ("HUB_KAFKA", "HUB_LEDGER")
READ = {"systems", "tables", "layouts", "calendars"}
FOLDERS = ("in/koseki", "in/kokuho", "in/shinsei", "in/kaigo", "out/kokuho", "out/kaigo", "var/standins")
_PORT = re.compile(r"(?<=http://127\.0\.0\.1:)([0-9]+)(?=/v1/notices)")


def install_sample(folder: Path) -> list[Path]:
    """Write the sample city's files where they are missing; return those written.

    A file that is there is left as it is, so a city that was edited stays edited.
    """
    written = []
    with as_file(files("hub.moriguchi") / "city") as city:
        for source in sorted(path for path in city.rglob("*") if path.is_file()):
            target = folder / source.relative_to(city)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                copyfile(source, target)
                if target.parent.name == "secrets":
                    target.chmod(0o600)
                written.append(target)
    (folder / "var").mkdir(exist_ok=True, mode=0o700)  # as in any city
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    Town(folder).found()
    return written


def read_city(folder: Path) -> City:
    """Return the city as its files stand now; they are read again only when one of them has changed."""
    paths = [*sorted(path for path in folder.glob("*/*") if path.parent.name in READ), folder / "hub.yaml"]
    stamps = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in paths]
    return _read(folder, (*stamps, *(os.environ.get(name) for name in ENVIRONMENT)))


@lru_cache(maxsize=1)
def _read(folder: Path, _stamps: tuple[object, ...]) -> City:
    return load_city(folder)


def water_port(folder: Path) -> int:
    """Return the port the city expects the water service on."""
    found = _PORT.search(_suido(folder).read_text(encoding="utf-8"))
    return int(found[1]) if found else 0


def set_water_port(folder: Path, port: int) -> None:
    """Write another port into the city, for when the usual one is taken."""
    path = _suido(folder)
    path.write_text(_PORT.sub(str(port), path.read_text(encoding="utf-8")), encoding="utf-8")


def _suido(folder: Path) -> Path:
    return folder / "systems" / "suido.yaml"
