"""Files as a departmental system writes and reads them: one class a format, with the same methods."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, ClassVar

from hub.adapters.conformance.own.common import with_data
from hub.adapters.contract import Delivery
from hub.settings.layouts import Layout, LayoutField

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
    """CSV in cp932."""

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
    """Fixed width with header, trailer and sequence."""

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
        if (int(trailer[:7]), end) != (len(lines), ""):
            raise ValueError(f"the trailer says {trailer[:7]} records, there are {len(lines)}")
        return [line[:40].rstrip() for line in lines]

    def refused(self, delivery: Delivery) -> Delivery | None:
        return with_data(delivery, {"household_no": "12345678"})


class JsonlFiles(CsvFiles):
    """JSON lines."""

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
    """Workbooks of one sheet."""

    name, suffix = "excel", "xlsx"
    source: ClassVar[dict[str, Any]] = {}
    sink: ClassVar[dict[str, Any]] = {}

    def records(self, records: list[list[str]]) -> bytes:
        import openpyxl  # noqa: PLC0415 — an extra

        book = openpyxl.Workbook(write_only=True)
        page = book.create_sheet("異動")
        for row in [["番号", "氏名"], *records]:
            page.append(row)
        stream = io.BytesIO()
        book.save(stream)
        return stream.getvalue()

    def keys(self, content: bytes) -> list[str]:
        import openpyxl  # noqa: PLC0415 — an extra

        (page,) = openpyxl.load_workbook(io.BytesIO(content)).worksheets
        return [str(row[0].value) for row in page.iter_rows(min_row=2)]

    def refused(self, delivery: Delivery) -> Delivery | None:
        return with_data(delivery, {"name": "a\x01b"})


FORMATS = {files.name: files for files in (CsvFiles(), FixedFiles(), JsonlFiles(), ExcelFiles())}


def _wide(text: str) -> bytes:
    encoded = text.encode("cp932")
    odd = b" " * (len(encoded) % 2)
    return encoded + "　".encode("cp932") * ((40 - len(encoded) - len(odd)) // 2) + odd
