from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest

from hub.adapters.conformance import batch, deliveries
from hub.adapters.contract import Delivery
from hub.adapters.jsonl import lines
from hub.errors import ReceiverStopped
from tests.conformance.helpers import JsonlCase


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
