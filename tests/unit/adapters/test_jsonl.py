from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.adapters import file_source, registry
from hub.adapters.conformance import batch, deliveries
from hub.adapters.contract import Delivery, Row
from hub.adapters.jsonl_append import lines
from hub.errors import ConfigurationError, ReceiverStopped
from tests.conformance.helpers import EXPRESSIONS, JsonlCase, site


def test_a_line_is_the_body_as_it_is() -> None:
    one, two = deliveries(2)
    assert lines([one, two]) == one.body + b"\n" + two.body + b"\n"
    assert lines([]) == b""


def test_a_body_of_several_lines_becomes_one() -> None:
    one, two = deliveries(2)
    loose = Delivery("k", 1, "e", "t", "s", "x", orjson.dumps(one.event, option=orjson.OPT_INDENT_2))
    assert lines([loose, two]) == one.body + b"\n" + two.body + b"\n"


async def test_a_file_its_reader_took_away_is_begun_anew(tmp_path: Path) -> None:
    case = JsonlCase(tmp_path)
    sink, first, second = case.open(), batch(deliveries(2)), batch(deliveries(2, start=2), no=2)
    await sink.commit(first, await sink.prepare(first))
    (case.folder / "events.jsonl").rename(case.folder / "taken.jsonl")
    await sink.commit(second, await sink.prepare(second))
    await sink.close()
    assert case.seen() == [delivery.key for delivery in second.deliveries]
    assert len((case.folder / "taken.jsonl").read_bytes().splitlines()) == 2


async def test_a_half_line_at_the_end_is_a_foreign_hand(tmp_path: Path) -> None:
    case = JsonlCase(tmp_path)
    (case.folder / "events.jsonl").write_bytes(b'{"half": ')
    sink = case.open()
    with pytest.raises(ReceiverStopped, match="whole line"):
        await sink.prepare(batch(deliveries(1)))
    await sink.close()


async def test_a_file_cut_short_stops_the_receiver(tmp_path: Path) -> None:
    case = JsonlCase(tmp_path)
    sink, whole = case.open(), batch(deliveries(1))
    await sink.commit(whole, await sink.prepare(whole))
    token = await sink.prepare(whole)
    await sink.close()
    (case.folder / "events.jsonl").write_bytes(b"")
    sink = case.open()
    with pytest.raises(ReceiverStopped, match="shorter"):
        await sink.recover(whole, token)
    await sink.close()


async def test_other_lines_of_the_same_length_stop_the_receiver(tmp_path: Path) -> None:
    case = JsonlCase(tmp_path)
    sink, whole = case.open(), batch(deliveries(1))
    token = await sink.prepare(whole)
    await sink.close()
    (case.folder / "events.jsonl").write_bytes(lines(deliveries(1, start=1)))
    sink = case.open()
    with pytest.raises(ReceiverStopped, match="not the hub's"):
        await sink.recover(whole, token)
    await sink.close()


async def test_lines_behind_a_finished_batch_stop_the_receiver(tmp_path: Path) -> None:
    case = JsonlCase(tmp_path)
    sink, whole = case.open(), batch(deliveries(1))
    token = await sink.prepare(whole)
    await sink.commit(whole, token)
    await sink.close()
    case.meddle(token)
    sink = case.open()
    with pytest.raises(ReceiverStopped, match="not the hub's"):
        await sink.recover(whole, token)
    await sink.close()


def test_a_line_costs_next_to_nothing() -> None:
    many = deliveries(5000)
    best = min(_timed(many) for _ in range(5))
    assert best / len(many) < 1e-6


def _timed(many: list[Delivery]) -> float:
    begun = time.perf_counter()
    lines(many)
    return time.perf_counter() - begun


# --- reading ---------------------------------------------------------------------------------------------------------


def read(folder: Path, content: bytes) -> list[Row]:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "a.jsonl").write_bytes(content)
    opened = registry.open_source("jsonl", {"path": "in/*.jsonl"}, site(folder))
    return [row for found in opened.read(None) for row in found.rows]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\xef\xbb\xbf{"a": "1"}\r\n\n{"a": {"b": [1, null]}}', [{"a": "1"}, {"a": {"b": [1, None]}}]),
        (b"", []),
        (b'{"a": "\xff"}\n{}\n', ["jsonl-encoding", {}]),
        (b'{"a": 1\n{}\n', ["jsonl-syntax", {}]),
        (b'{"a": NaN}\n{}\n', ["jsonl-syntax", {}]),
        (b'{"a": 1, "a": 2}\n{}\n', ["jsonl-syntax", {}]),
        (b"[" * 100_000 + b"\n{}\n", ["jsonl-syntax", {}]),
        (b"[1]\n{}\n", ["jsonl-object", {}]),
        (b'{"a": "' + b"x" * 600_000 + b'"}\n{}\n', ["jsonl-too-long"] * 3 + [{}]),
    ],
)
def test_what_lines_may_hold(tmp_path: Path, content: bytes, expected: list[object]) -> None:
    rows = read(tmp_path, content)
    assert [row.error.code if row.error else row.values for row in rows] == expected
    assert b"".join(row.raw for row in rows) == content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n\n", b"\r\n")
    last = content.count(b"\n") + (not content.endswith(b"\n"))
    assert [row.place for row in rows][-1:] in ([], [f"in/a.jsonl:{last}"])


def test_reading_goes_on_within_a_line_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_source, "ROWS", 1)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(b'{"a": "' + b"x" * 262_137 + b'{}\n{"b": 1}\n')
    first = next(iter(registry.open_source("jsonl", {"path": "in/*"}, site(tmp_path)).read(None)))
    again = registry.open_source("jsonl", {"path": "in/*"}, site(tmp_path)).read(first.position)
    rows = [row for found in again for row in found.rows]
    assert [row.error.code if row.error else row.values for row in rows] == ["jsonl-too-long", {"b": 1}]


# --- a file a batch --------------------------------------------------------------------------------------------------


async def test_a_folder_gets_a_file_a_batch(tmp_path: Path) -> None:
    sink: Any = registry.open_sink("jsonl", {"path": "out/", "name": '"e.jsonl"'}, site(tmp_path), EXPRESSIONS)
    content = batch(deliveries(2))
    await sink.commit(content, await sink.prepare(content))
    await sink.close()
    assert (tmp_path / "out" / "e.jsonl").read_bytes() == lines(content.deliveries)


def test_a_name_is_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="end `path` with a slash"):
        registry.open_sink("jsonl", {"path": "out", "name": '"x"'}, site(tmp_path), EXPRESSIONS)
