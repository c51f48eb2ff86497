"""Large events are read and sent a few at a time, and every one of them."""

import pytest

from hub.errors import Transient
from hub.ledger.places import OFFSET_BITS, stream_of
from hub.stages import receiver

from .town import Shelf, died, listens, rule, until


def test_a_reading_ends_after_so_many_bytes(town_of):
    town = town_of()
    town.dispatch(*(died(number, str(number), note="守" * 1000) for number in range(10)))
    stream = stream_of(town.generation, 0)
    after, upto, parts = (stream << OFFSET_BITS) - 1, (stream << OFFSET_BITS) + 9, []
    while rows := town.log.read(stream, after, upto, 100, 10_000):
        parts.append(len(rows))
        after = rows[-1].pos
    assert parts == [4, 4, 2]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_batch_ends_after_so_many_bytes(town_of, monkeypatch, fails):
    monkeypatch.setattr(receiver, "BATCH_BYTES", 100_000)
    monkeypatch.setattr(receiver, "LARGEST", 50_000)
    monkeypatch.setattr(receiver, "OPEN_AFTER", 1_000_000)
    town = town_of(listens("kaigo", rule("kaigo", send=("name",))))
    town.dispatch(*(died(n, str(n), note="守" * (10_000 if n % 2 else 1)) for n in range(60)))
    away = [fails]
    shelf = Shelf(lambda _: Transient("later", reached=True) if away[0] else None, batch=500)
    async with town.working(shelf) as worker:
        if fails:
            await until(lambda: len(town.holds()) == 60)
            shelf.calls.clear()
            away[0] = False
        await until(lambda: len(shelf.taken) == 60 and not worker.busy)
    calls = [call for call in shelf.calls if len(call) > 1]
    assert calls
    assert max(map(len, calls)) <= 7  # 30 kB each of every second one
    assert shelf.ids == [str(n) for n in range(60)]
