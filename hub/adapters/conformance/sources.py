"""Checks of every source: nothing is lost, resumed exactly, taken only when acknowledged."""
# ruff: noqa: D401 — a check's docstring says what holds

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from hub.adapters.conformance.cases import Failure, SourceCase, expect
from hub.adapters.conformance.hearing import Hearing
from hub.adapters.contract import Row, Source
from hub.errors import Malformed, Transient

MANY = 4500  # records: several batches for every source here
SEVERAL = 2100  # records: two batches
BULK = 8000  # records, of which only a share may be in memory at a time


def _read(source: Source, after: dict[str, Any] | None) -> tuple[list[Row], list[Any]]:
    """Return all rows and batches, the positions having been through JSON."""
    batches = list(source.read(after))
    for found in batches:
        found.position = orjson.loads(orjson.dumps(found.position))
    return [row for found in batches for row in found.rows], batches


def _values(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [row.values for row in rows]


def reads_every_row_in_order(case: SourceCase) -> None:
    """Every record comes once, in order, with its place and its bytes, and the last batch says so."""
    wanted = case.fill(MANY)
    rows, batches = _read(case.open(), None)
    expect(_values(rows) == wanted, "the rows differ from the records put in")
    expect(all(row.raw and row.place for row in rows), "a row lacks its bytes or its place")
    expect(len(batches) > 1, "thousands of rows came in one batch")
    expect([found.last for found in batches] == [False] * (len(batches) - 1) + [True], "only the last batch is last")
    expect(len({found.batch_id for found in batches}) == 1, "batches of one unit differ in batch_id")


def resumes_after_every_position(case: SourceCase) -> None:
    """From each position a new process gets exactly the rows after it."""
    wanted = case.fill(MANY)
    _, batches = _read(case.open(), None)
    done = 0
    for found in batches:
        done += len(found.rows)
        rest, _ = _read(case.open(), found.position)
        expect(_values(rest) == wanted[done:], f"after {done} rows, reading went on with other rows than the next")


def nothing_is_taken_before_acknowledge(case: SourceCase) -> None:
    """What was read but not acknowledged is read again after a crash."""
    wanted = case.fill(10)
    _read(case.open(), None)
    rows, _ = _read(case.open(), None)
    expect(_values(rows) == wanted, "rows were lost that nobody had acknowledged")


def acknowledged_is_not_read_again(case: SourceCase) -> None:
    """After all is acknowledged nothing comes, in this process or the next, and later records do."""
    case.fill(10)
    source = case.open()
    _, batches = _read(source, None)
    for found in batches:
        source.acknowledge(found)
    position = batches[-1].position
    expect(not list(source.read(position)), "an acknowledged unit was read again")
    expect(not list(case.open().read(position)), "an acknowledged unit was read again by a new process")
    wanted = case.fill(3)
    rows, _ = _read(case.open(), position)
    expect(_values(rows) == wanted, "new records after an acknowledged unit were not read")


def a_lost_acknowledge_is_made_up_for(case: SourceCase) -> None:
    """Stopped between storing the position and acknowledging: nothing comes twice, and the unit is finished."""
    case.fill(10)
    _, batches = _read(case.open(), None)
    position = batches[-1].position
    source = case.open()
    rows, again = _read(source, position)
    expect(not rows, "rows before the position came again")
    for found in again:
        source.acknowledge(found)
    expect(not list(case.open().read(position)), "the unit stayed unfinished")


def a_broken_record_is_alone(case: SourceCase) -> None:
    """A broken record is an error row with its place and bytes; all others come."""
    wanted = case.fill_broken()
    rows, _ = _read(case.open(), None)
    broken = [row for row in rows if row.error is not None]
    expect(len(broken) == 1, f"one record is broken, {len(broken)} rows say so")
    expect(not broken[0].values and bool(broken[0].raw and broken[0].place), "the error row lacks its bytes or place")
    expect(isinstance(broken[0].error, Malformed) and broken[0].error.code != "malformed", "its error has no code")
    expect(_values(row for row in rows if row.error is None) == wanted, "good records beside a broken one were lost")


def an_absent_system_is_transient(case: SourceCase) -> None:
    """While the system is away reading raises `Transient`; afterwards nothing is missing."""
    wanted = case.fill(10)
    with case.away():
        try:
            _read(case.open(), None)
        except Transient as error:
            expect(bool(error.message), "the error says nothing")
        else:
            raise Failure("the system was away and reading said nothing")
    rows, _ = _read(case.open(), None)
    expect(_values(rows) == wanted, "rows were lost while the system was away")


def reading_may_be_broken_off(case: SourceCase) -> None:
    """Reading that is stopped in the middle takes nothing: the next one, also of the same source, begins anew."""
    wanted = case.fill(SEVERAL)
    source = case.open()
    reading = iter(source.read(None))
    next(reading)
    close = getattr(reading, "close", None)
    if close is not None:
        close()
    for again in (source, case.open()):
        rows, _ = _read(again, None)
        expect(_values(rows) == wanted, "after reading was broken off, other rows came")


def two_readers_lose_nothing(case: SourceCase) -> None:
    """Two processes that read the same, as around a change of owners, both get all; to acknowledge twice is harmless.

    One that comes when the other has taken a unit away may get less, with nothing lost.
    """
    wanted = case.fill(10)
    first, second = case.open(), case.open()
    rows, batches = _read(first, None)
    others, again = _read(second, None)
    expect(_values(rows) == wanted and _values(others) == wanted, "two readers hindered each other")
    for source, found in ((first, batches), (second, again)):
        for batch in found:
            source.acknowledge(batch)
    rest, _ = _read(case.open(), batches[-1].position)
    expect(not rest, "what two readers had acknowledged was read again")
    later = case.fill(3)
    rows, _ = _read(case.open(), batches[-1].position)
    expect(_values(rows) == later, "after two readers new records were not read")


def reads_in_constant_memory(case: SourceCase) -> None:
    """However long a unit is, only a few batches of it are in memory at a time."""
    if not case.traced:
        return
    case.fill(3)
    source = case.open()
    _, batches = _read(source, None)  # what a connection needs once is no part of it
    for found in batches:
        source.acknowledge(found)
    case.fill(BULK)
    tracemalloc.start()
    try:
        begin = tracemalloc.get_traced_memory()[0]
        whole, number = 0, 0
        for found in source.read(batches[-1].position):
            number += len(found.rows)
            before = tracemalloc.get_traced_memory()[0]
            found.rows.clear()
            whole += before - tracemalloc.get_traced_memory()[0]
        peak = tracemalloc.get_traced_memory()[1] - begin
    finally:
        tracemalloc.stop()
    expect(number == BULK, "rows were lost")
    expect(peak < case.share * whole, f"{peak} bytes were held at once, where all rows together have {whole}")


def nothing_secret_is_said(case: SourceCase) -> None:
    """No secret of its settings stands in a log, an error or a `repr`, and no resident's name in a log."""
    case.fill_broken()
    with Hearing() as heard:
        source = case.open()
        heard.note(source)
        rows, batches = _read(source, None)
        heard.note(*(row.error for row in rows if row.error is not None))
        with case.away():
            try:
                _read(case.open(), None)
            except Transient as error:
                heard.note(error)
        for found in batches:
            source.acknowledge(found)
    heard.expect_silence(case.secrets)


SOURCE_CHECKS: tuple[Callable[[SourceCase], None], ...] = (
    reads_every_row_in_order,
    resumes_after_every_position,
    nothing_is_taken_before_acknowledge,
    acknowledged_is_not_read_again,
    a_lost_acknowledge_is_made_up_for,
    a_broken_record_is_alone,
    an_absent_system_is_transient,
    reading_may_be_broken_off,
    two_readers_lose_nothing,
    reads_in_constant_memory,
    nothing_secret_is_said,
)
