"""Large events are read and sent a few at a time, and every one of them."""

import pytest
import sqlalchemy as sa

from hub.errors import Transient
from hub.ledger import log
from hub.ledger.places import OFFSET_BITS, stream_of
from hub.ledger.tables import pending
from hub.settings.models import Retry
from hub.stages import receiver

from .town import Shelf, died, listens, rule


@pytest.mark.parametrize("page", [1, 3, 5, 200])
def test_a_reading_ends_after_so_many_bytes(town_of, monkeypatch, page):
    monkeypatch.setattr(log, "FETCHED", page)
    town = town_of()
    town.dispatch(*(died(number, str(number), note="守" * 1000) for number in range(10)))
    stream = stream_of(town.generation, 0)
    after, upto, parts = (stream << OFFSET_BITS) - 1, (stream << OFFSET_BITS) + 9, []
    while rows := town.log.read(stream, after, upto, 100, 10_000):
        parts.append(len(rows))
        after = rows[-1].pos
    assert parts == [4, 4, 2]


@pytest.mark.parametrize("count", [1, 3, 6, 7, 10])
def test_the_log_is_read_page_by_page_to_where_it_is_asked_for(town_of, monkeypatch, count):
    monkeypatch.setattr(log, "FETCHED", 3)
    town = town_of()
    town.dispatch(*(died(number, str(number)) for number in range(10)))
    stream = stream_of(town.generation, 0)
    first = stream << OFFSET_BITS
    wanted = [first + offset for offset in range(count)]
    assert [row.pos for row in town.log.read(stream, -1, first + count - 1, 100, 1 << 20)] == wanted
    assert [row.pos for row in town.log.read(stream, -1, first + 9, count, 1 << 20)] == wanted


@pytest.mark.parametrize("fails", [False, True])
async def test_a_batch_ends_after_so_many_bytes(town_of, monkeypatch, fails):
    monkeypatch.setattr(receiver, "BATCH_BYTES", 100_000)
    monkeypatch.setattr(receiver, "LARGEST", 50_000)
    monkeypatch.setattr("hub.stages.breaker.OPEN_AFTER", 1_000_000)
    later = Retry(delays=(3600.0,), then=3600.0)
    town = town_of(listens("kaigo", rule("kaigo", send=("name",)), retry=later))
    town.dispatch(*(died(n, str(n), note="守" * (10_000 if n % 2 else 1)) for n in range(60)))
    shelf = Shelf(batch=500)
    if fails:  # all of them have waited and are due at once
        await town.deliver(Shelf(lambda _: Transient("later", reached=True), batch=500))
        with town.ledger.write() as connection:
            assert connection.execute(sa.update(pending).values(due=0)).rowcount == 60
    await town.deliver(shelf)
    assert max(sum(30_000 for number in call if int(number) % 2) for call in shelf.calls) <= 100_000
    assert max(map(len, shelf.calls)) > 1
    assert sorted(map(int, shelf.ids)) == list(range(60))
