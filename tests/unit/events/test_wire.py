import tracemalloc

import orjson

from hub.events.wire import kept


def test_what_is_kept_takes_no_more_memory_than_it_has_bytes():
    said = {"resident": {"name": "守口 太郎", "household_no": "12345"}}
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        written = [kept(said) for _ in range(1000)]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert written[0] == orjson.dumps(said)
    assert taken < 1000 * (len(written[0]) + 100)
