"""Cases of papers and applications on a folder: ZIPs of submissions in and decisions out, and what AI-OCR read."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from hub.adapters import registry
from hub.adapters.conformance.cases import PreparedCase, SourceCase
from hub.adapters.conformance.own.common import EXPRESSIONS, in_place_of_folder, site
from hub.adapters.contract import Delivery

NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # the SHA-256 of no bytes


class ApplicationSourceCase(SourceCase):
    """ZIP files, each with a list of submissions and an attachment."""

    share = 0.9  # a list is one JSON document, read whole; its size is bounded

    adapter = registry.find("online_application")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.units = 0

    def _put(self, submissions: list[Any]) -> None:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("list.json", json.dumps(submissions))
            archive.writestr("空.txt", b"")
        self.units += 1
        path = self.folder / "in" / f"{self.units:03d}.zip"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(stream.getvalue())

    def fill(self, count: int) -> list[dict[str, Any]]:
        rows = [{"番号": f"{self.units}-{no}", "attachments": ["空.txt"]} for no in range(count)]
        self._put(rows)
        kept = [{"name": "空.txt", "digest": NOTHING, "size": 0}]
        return [{**row, "attachments": kept} for row in rows]

    def open(self) -> Any:
        return registry.open_source("online_application", {"path": "in/*.zip", "after": "move"}, site(self.folder))

    def fill_broken(self) -> list[dict[str, Any]]:
        good = {"番号": "1", "attachments": "空.txt"}
        self._put([good, {"番号": "2", "attachments": ["none.png"]}, good])
        kept = [{"name": "空.txt", "digest": NOTHING, "size": 0}]
        return [{**good, "attachments": kept}] * 2

    def away(self) -> Any:
        return in_place_of_folder(self.folder / "in")


class DecisionCase(PreparedCase):
    """A JSON file of decisions for each batch."""

    adapter = registry.find("online_application")

    def __init__(self, folder: Path) -> None:
        self.city = folder
        self.folder = folder / "out"
        self.folder.mkdir()

    def open(self) -> Any:
        options = {"path": "out/", "columns": {"key": "delivery.key", "name": "data.name"}}
        return registry.open_sink("online_application", options, site(self.city), EXPRESSIONS)

    def seen(self) -> list[str]:
        files = sorted(self.folder.glob("[!.]*.json"))
        return [each["key"] for path in files for each in json.loads(path.read_bytes())]

    def away(self) -> Any:
        return in_place_of_folder(self.folder)

    def refused(self, delivery: Delivery) -> None:  # noqa: ARG002
        return None

    def meddle(self, token: dict[str, Any]) -> None:
        (self.folder / token["file"]).write_bytes(b"somebody else's")


class AiOcrCase(SourceCase):
    """CSV files as AIRead writes them."""

    adapter = registry.find("ai_ocr")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.units = 0

    def _put(self, pages: list[tuple[str, float]]) -> list[dict[str, Any]]:
        self.units += 1
        lines = [f"氏名,{no},1,1,{name},{sure},0,0,9,9\n" for no, (name, sure) in enumerate(pages)]
        path = self.folder / "in" / f"{self.units:03d}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes("".join(["ItemName,Page,GID,RID,Value,conf,x,y,w,h\n", *lines]).encode("cp932"))
        fields = [{"name": "氏名", "value": name, "confidence": sure} for name, sure in pages]
        return [
            {"document": f"{path.stem}-{no}", "fields": [each], "items": {"氏名": each["value"]}, "unsure": []}
            for no, each in enumerate(fields)
        ]

    def fill(self, count: int) -> list[dict[str, Any]]:
        return self._put([(f"守口 {no}", 99.0) for no in range(count)])

    def open(self) -> Any:
        options = {"service": "airead", "path": "in/*.csv", "after": "move", "unsure": "quarantine"}
        return registry.open_source("ai_ocr", options, site(self.folder))

    def fill_broken(self) -> list[dict[str, Any]]:
        first, _, last = self._put([("あ", 99.0), ("い", 20.0), ("う", 99.0)])
        return [first, last]

    def away(self) -> Any:
        return in_place_of_folder(self.folder / "in")


ONLINE_APPLICATION, AI_OCR = (ApplicationSourceCase, DecisionCase), (AiOcrCase,)
