"""The ledger gives large events a few at a time, and every one of them."""

from hub.ledger.places import OFFSET_BITS, stream_of

from .town import died


def test_a_reading_ends_after_so_many_bytes(town_of):
    town = town_of()
    town.dispatch(*(died(number, str(number), note="守" * 1000) for number in range(10)))
    stream = stream_of(town.generation, 0)
    after, upto, parts = (stream << OFFSET_BITS) - 1, (stream << OFFSET_BITS) + 9, []
    while rows := town.log.read(stream, after, upto, 100, 10_000):
        parts.append(len(rows))
        after = rows[-1].pos
    assert parts == [4, 4, 2]
