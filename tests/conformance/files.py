"""Cases for every file format on every place: a folder, an SFTP server, an object storage."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import openpyxl

from hub.adapters import registry
from hub.adapters.conformance import PreparedCase, SourceCase
from hub.adapters.contract import Delivery
from hub.settings.layouts import Layout, LayoutField
from tests.conformance.helpers import EXPRESSIONS, in_place_of_folder, site, with_data
from tests.services.sftp import PASSWORD, SftpServer
from tests.services.storage import ACCESS_KEY, SECRET_KEY, StorageServer

IDO = Layout(
    header=(LayoutField(name="区分", width=1, constant="1"), LayoutField(width=59)),
    record=(
        LayoutField(name="区分", width=1, constant="2"),
        LayoutField(name="連番", width=6, sequence="record"),
        LayoutField(name="番号", width=13),
        LayoutField(name="氏名", width=40, pad="　"),
    ),
    trailer=(
        LayoutField(name="区分", width=1, constant="9"),
        LayoutField(name="件数", width=7, count="records"),
        LayoutField(width=52),
    ),
    length=60,
)
OUT = Layout(
    record=(
        LayoutField(name="鍵", width=40, value="key"),
        LayoutField(name="世帯", width=7, value="data.household_no"),
    ),
    trailer=(LayoutField(name="件数", width=7, count="records"), LayoutField(width=40)),
)
LAYOUTS = {"ido": IDO, "out": OUT}


class CsvFiles:
    """Files as a departmental system writes and reads them; each format has the same methods."""

    name, suffix = "csv", "csv"
    source: ClassVar[dict[str, Any]] = {"encoding": "cp932"}
    sink: ClassVar[dict[str, Any]] = {"encoding": "cp932"}

    def write(self, rows: list[dict[str, Any]]) -> bytes:
        return self.records([list(row.values()) for row in rows])

    def records(self, records: list[list[str]]) -> bytes:
        stream = io.StringIO(newline="")
        csv.writer(stream).writerows([["番号", "氏名"], *records])
        return stream.getvalue().encode("cp932")

    def broken(self) -> tuple[bytes, list[dict[str, Any]]]:
        content = self.records([["1", "あ"], ["2", "い", "う"], ["3", "え"]])
        return content, [{"番号": "1", "氏名": "あ"}, {"番号": "3", "氏名": "え"}]

    def keys(self, content: bytes) -> list[str]:
        return [row[0] for row in csv.reader(io.StringIO(content.decode("cp932"), newline=""), strict=True)][1:]

    def refused(self, delivery: Delivery) -> Delivery | None:
        return with_data(delivery, {"name": "𠮷野"})


class FixedFiles(CsvFiles):
    name, suffix = "fixed_width", "dat"
    source: ClassVar[dict[str, Any]] = {"layout": "layouts/ido.yaml"}
    sink: ClassVar[dict[str, Any]] = {"layout": "layouts/out.yaml"}

    def write(self, rows: list[dict[str, Any]]) -> bytes:
        for no, row in enumerate(rows, 1):  # what the records say besides
            row.update({"区分": "2", "連番": str(no)})
        lines = [f"2{no:06d}{row['番号']:13}".encode() + _wide(row["氏名"]) for no, row in enumerate(rows, 1)]
        return b"\r\n".join([b"1".ljust(60), *lines, f"9{len(rows):07d}".encode().ljust(60), b""])

    def broken(self) -> tuple[bytes, list[dict[str, Any]]]:
        rows = [{"番号": str(no), "氏名": "あ"} for no in range(3)]
        content = self.write(rows).replace(b"\r\n2000002", b"\r\n3000002")
        return content, [rows[0], rows[2]]

    def keys(self, content: bytes) -> list[str]:
        *lines, trailer, end = content.decode("cp932").split("\r\n")
        assert (int(trailer[:7]), end) == (len(lines), "")
        return [line[:40].rstrip() for line in lines]

    def refused(self, delivery: Delivery) -> Delivery | None:
        return with_data(delivery, {"household_no": "12345678"})


class JsonlFiles(CsvFiles):
    name, suffix = "jsonl", "jsonl"
    source: ClassVar[dict[str, Any]] = {}
    sink: ClassVar[dict[str, Any]] = {}

    def write(self, rows: list[dict[str, Any]]) -> bytes:
        return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)

    def broken(self) -> tuple[bytes, list[dict[str, Any]]]:
        return '{"番号": "1"}\n{"番号": "2"\n{"番号": "3"}\n'.encode(), [{"番号": "1"}, {"番号": "3"}]

    def keys(self, content: bytes) -> list[str]:
        return [json.loads(line)["deliverykey"] for line in content.splitlines()]

    def refused(self, delivery: Delivery) -> Delivery | None:  # noqa: ARG002
        return None


class ExcelFiles(CsvFiles):
    name, suffix = "excel", "xlsx"
    source: ClassVar[dict[str, Any]] = {}
    sink: ClassVar[dict[str, Any]] = {}

    def records(self, records: list[list[str]]) -> bytes:
        book = openpyxl.Workbook(write_only=True)
        page = book.create_sheet("異動")
        for row in [["番号", "氏名"], *records]:
            page.append(row)
        stream = io.BytesIO()
        book.save(stream)
        return stream.getvalue()

    def keys(self, content: bytes) -> list[str]:
        (page,) = openpyxl.load_workbook(io.BytesIO(content)).worksheets
        return [row[0].value for row in page.iter_rows(min_row=2)]

    def refused(self, delivery: Delivery) -> Delivery | None:
        return with_data(delivery, {"name": "a\x01b"})


FORMATS = {files.name: files for files in (CsvFiles(), FixedFiles(), JsonlFiles(), ExcelFiles())}


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


class Sftp(Folder):
    on_disk = False

    def __init__(self, server: SftpServer) -> None:
        super().__init__(server.folder)
        self.server = server
        self.login = {"sftp": {"host_key": server.host_key, "password": PASSWORD, "timeout": 5}}

    def url(self, path: str) -> str:
        return self.server.url(path)

    @contextmanager
    def away(self, folder: str) -> Iterator[None]:  # noqa: ARG002
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()


class Storage:
    on_disk = False

    def __init__(self, server: StorageServer) -> None:
        self.server, self.bucket = server, server.bucket()
        self.login = {
            "s3": {"endpoint": server.endpoint, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "timeout": 5}
        }

    def url(self, path: str) -> str:
        return f"s3://{self.bucket}/{path}"

    def put(self, path: str, content: bytes) -> None:
        self.server.client.put_object(Bucket=self.bucket, Key=path, Body=content)

    def files(self, folder: str = "") -> dict[str, bytes]:
        client, bucket = self.server.client, self.bucket
        listed = client.list_objects_v2(Bucket=bucket, Prefix=folder).get("Contents", [])
        keys = [each["Key"] for each in listed]
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def delete(self, path: str) -> None:
        self.server.client.delete_object(Bucket=self.bucket, Key=path)

    @contextmanager
    def away(self, folder: str) -> Iterator[None]:  # noqa: ARG002
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()


class FileSourceCase(SourceCase):
    def __init__(self, city: Path, place: Any, files: Any, **options: Any) -> None:
        self.city, self.place, self.files, self.options = city, place, files, options
        self.adapter = registry.find(files.name)
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
    def __init__(self, city: Path, place: Any, files: Any, **options: Any) -> None:
        self.city, self.place, self.files, self.options = city, place, files, options
        self.adapter = registry.find(files.name)
        self.on_disk = place.on_disk
        self.folder = city / "out"
        self.folder.mkdir(exist_ok=True)

    def open(self) -> Any:
        options = {"path": self.place.url("out/"), **self.place.login, **self.files.sink, **self.options}
        fields = ("household_no",)
        return registry.open_sink(
            self.files.name, options, replace(site(self.city), layouts=LAYOUTS, fields=fields), EXPRESSIONS
        )

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


def _wide(text: str) -> bytes:
    encoded = text.encode("cp932")
    odd = b" " * (len(encoded) % 2)
    return encoded + "　".encode("cp932") * ((40 - len(encoded) - len(odd)) // 2) + odd
