"""Cases of what tells people: chat, mail, paper."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from pypdf import PdfReader

from hub.adapters import registry
from hub.adapters.conformance import PreparedCase, SinkCase
from hub.adapters.contract import Delivery
from tests.conformance.helpers import EXPRESSIONS, in_place_of_folder, site, with_data
from tests.services.chat import ChatRoom
from tests.services.post_office import PostOffice


class ChatCase(SinkCase):
    adapter = registry.find("chat")

    def __init__(self, folder: Path, room: ChatRoom, service: str) -> None:
        self.folder, self.room, self.service = folder, room, service

    def open(self) -> Any:
        options = {"text": "{delivery.key} {data.name}", "fields": ["name"], "per_second": 1000}
        given = {**self.room.options(self.service), **options}
        return registry.open_sink("chat", given, site(self.folder), EXPRESSIONS)

    def seen(self) -> list[str]:
        return [line.split(" ")[0] for text in self.room.texts for line in text.split("\n") if line.startswith("juki/")]

    @contextmanager
    def away(self) -> Iterator[None]:
        self.room.stop()
        yield
        self.room.start()

    def refused(self, delivery: Delivery) -> Delivery:
        self.room.refuses = "禁止"
        return with_data(delivery, {"name": "禁止"})


class MailCase(SinkCase):
    adapter = registry.find("mail")

    def __init__(self, folder: Path, office: PostOffice) -> None:
        self.folder, self.office = folder, office

    def open(self) -> Any:
        options = self.office.options(subject="{batch.no}", text="{delivery.key}\n{data.name}", fields=["name"])
        return registry.open_sink("mail", options, site(self.folder), EXPRESSIONS)

    def seen(self) -> list[str]:
        return [str(mail.get_body().get_content()).splitlines()[0] for mail in self.office.mails]

    @contextmanager
    def away(self) -> Iterator[None]:
        self.office.stop()
        yield
        self.office.start()

    def refused(self, delivery: Delivery) -> Delivery:
        self.office.spoils = "禁止"
        return with_data(delivery, {"name": "禁止"})


@cache
def printed_keys(data: bytes) -> list[str]:
    """Return the keys that a file shows; the same batch is the same bytes, which are read once."""
    texts = [page.extract_text().replace("\n", "") for page in PdfReader(io.BytesIO(data)).pages]
    return re.findall(r"juki/e\d{4}:kokuho\.main:0", "".join(texts))


class PrintCase(PreparedCase):
    adapter = registry.find("print")

    def __init__(self, folder: Path) -> None:
        self.city = folder
        self.folder = folder / "out"
        self.folder.mkdir()

    def open(self) -> Any:
        columns = {"鍵": "delivery.key", "氏名": "data.name"}
        options = {"path": "out/", "layout": "list", "title": "x", "size": 6, "columns": columns}
        return registry.open_sink("print", options, site(self.city), EXPRESSIONS)

    def seen(self) -> list[str]:
        files = sorted(self.folder.glob("[!.]*.pdf"))
        return [key for path in files for key in printed_keys(path.read_bytes())]

    def away(self) -> Any:
        return in_place_of_folder(self.folder)

    def refused(self, delivery: Delivery) -> None:  # noqa: ARG002
        return None

    def meddle(self, token: dict[str, Any]) -> None:
        (self.folder / token["file"]).write_bytes(b"somebody else's")
