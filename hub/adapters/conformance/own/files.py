"""Every format of files in a folder of the city; the cases take other places too."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hub.adapters import registry
from hub.adapters.conformance.cases import PreparedCase, SinkCase, SourceCase
from hub.adapters.conformance.own.common import EXPRESSIONS, in_place_of_folder, site
from hub.adapters.conformance.own.formats import FORMATS, LAYOUTS, CsvFiles
from hub.adapters.contract import Delivery


class Folder:
    """A place as its owner sees it; each kind has the same methods. `path` is from the place's own root."""

    on_disk = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.login: dict[str, Any] = {}

    def url(self, path: str) -> str:
        return path

    def put(self, path: str, content: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def files(self, folder: str = "") -> dict[str, bytes]:
        found = [path for path in sorted((self.root / folder).rglob("*")) if path.is_file()]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}

    def delete(self, path: str) -> None:
        (self.root / path).unlink()

    def away(self, folder: str) -> Any:
        return in_place_of_folder(self.root / folder)


class FileSourceCase(SourceCase):
    """Files of a format in a place, each unit a file."""

    def __init__(self, city: Path, place: Any, files: CsvFiles, **options: Any) -> None:
        self.city, self.place, self.files, self.options = city, place, files, options
        self.adapter = registry.find(files.name)
        self.traced = getattr(place, "traced", True)
        self.units = 0

    def fill(self, count: int) -> list[dict[str, Any]]:
        rows = [{"番号": f"{self.units}-{no}", "氏名": f'守口 "{no}", 番'} for no in range(count)]
        self.put(self.files.write(rows))
        return rows

    def put(self, content: bytes) -> None:
        self.units += 1
        self.place.put(f"in/SABUN_{self.units:03d}.{self.files.suffix}", content)

    def open(self) -> Any:
        path = self.place.url(f"in/SABUN_*.{self.files.suffix}")
        options = {"path": path, **self.place.login, **self.files.source, **self.options}
        return registry.open_source(self.files.name, options, replace(site(self.city), layouts=LAYOUTS))

    def fill_broken(self) -> list[dict[str, Any]]:
        content, rows = self.files.broken()
        self.put(content)
        return rows

    def away(self) -> Any:
        return self.place.away("in")


class FileSinkCase(PreparedCase):
    """A file of a format for each batch, in a place."""

    def __init__(self, city: Path, place: Any, files: CsvFiles, **options: Any) -> None:
        self.city, self.place, self.files, self.options = city, place, files, options
        self.adapter = registry.find(files.name)
        self.on_disk = place.on_disk
        self.folder = city / "out"
        self.folder.mkdir(exist_ok=True)

    def open(self) -> Any:
        options = {"path": self.place.url("out/"), **self.place.login, **self.files.sink, **self.options}
        return registry.open_sink(self.files.name, options, replace(site(self.city), layouts=LAYOUTS), EXPRESSIONS)

    def snapshot(self) -> Any:
        return self.place.files("out")

    def put_back(self, state: Any) -> None:
        for path in self.snapshot().keys() - state.keys():
            self.place.delete(path)
        for path, content in state.items():
            self.place.put(path, content)

    def seen(self) -> list[str]:
        visible = [content for path, content in self.snapshot().items() if not path.startswith("out/.")]
        return [key for content in visible for key in self.files.keys(content)]

    def away(self) -> Any:
        return self.place.away("out")

    def refused(self, delivery: Delivery) -> Delivery | None:
        return self.files.refused(delivery)

    def meddle(self, token: dict[str, Any]) -> None:
        self.place.put(f"out/{token['file']}", b"somebody else's\r\n")


class JsonlCase(PreparedCase):
    """One file to which every batch is appended."""

    adapter = registry.find("jsonl")

    def __init__(self, folder: Path) -> None:
        self.city = folder
        self.folder = folder / "out"
        self.folder.mkdir()

    def open(self) -> Any:
        return registry.open_sink("jsonl", {"path": "out/events.jsonl"}, site(self.city))

    def seen(self) -> list[str]:
        path = self.folder / "events.jsonl"
        text = path.read_bytes() if path.exists() else b""
        return [json.loads(line)["deliverykey"] for line in text.splitlines()]

    def away(self) -> Any:
        return in_place_of_folder(self.folder)

    def refused(self, delivery: Delivery) -> None:  # noqa: ARG002
        return None

    def meddle(self, token: dict[str, Any]) -> None:  # noqa: ARG002
        with (self.folder / "events.jsonl").open("ab") as stream:
            stream.write(b'{"deliverykey": "somebody else\'s"}\n')


def of(name: str, *afters: str) -> tuple[Callable[[Path], SourceCase | SinkCase], ...]:
    """Return the cases of a format: sources that move, keep or delete what they have read, and a sink."""
    files = FORMATS[name]

    def source(folder: Path, after: str) -> SourceCase:
        return FileSourceCase(folder, Folder(folder), files, after=after)

    def sink(folder: Path) -> SinkCase:
        return FileSinkCase(folder, Folder(folder), files)

    return (*(partial(source, after=after) for after in afters), sink)


CSV = of("csv", "move", "keep", "delete")
EXCEL, FIXED = of("excel", "move"), of("fixed_width", "move")
JSONL = (*of("jsonl", "move"), JsonlCase)
