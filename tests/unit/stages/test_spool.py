"""A spool gives back what went in, is known when it was changed, and outlives nothing but a crash."""

import orjson
import pytest

from hub.errors import Transient
from hub.stages import spool
from hub.stages.spool import SpoolChanged


def record(number):
    subject = f"{1000000 + number}"
    body = {
        "id": str(number),
        "source": "/systems/juki",
        "type": "jp.lg.moriguchi.resident.died.v1",
        "subject": subject,
    }
    return subject.encode(), orjson.dumps(body)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "var" / "held"


def sealed(folder, records):
    made = spool.create(folder, "juki.sabun")
    made.add(records[:3])
    made.add(records[3:])
    token = made.seal()
    made.close()
    return token


def test_records_come_back_in_order_in_chunks(folder, monkeypatch):
    monkeypatch.setattr(spool, "CHUNK", 4)
    records = [record(n) for n in range(10)]
    token = sealed(folder, records)
    held = spool.open_sealed(folder, token)
    chunks = list(held.chunks())
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert [each for chunk in chunks for each in chunk] == records
    assert (token["records"], token["bytes"]) == (10, (folder / token["file"]).stat().st_size)
    held.close()


def test_large_records_make_small_chunks(folder, monkeypatch):
    monkeypatch.setattr(spool, "CHUNK_BYTES", 200)
    made = spool.create(folder, "juki.sabun")
    made.add([record(n) for n in range(6)])
    assert [len(chunk) for chunk in made.chunks()] == [3, 3]
    made.remove()


def test_an_empty_spool_is_one_too(folder):
    held = spool.open_sealed(folder, sealed(folder, []))
    assert list(held.chunks()) == []
    held.close()


def test_nobody_else_may_read_it(folder):
    token = sealed(folder, [])
    assert (folder / token["file"]).stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


def test_only_one_at_a_time_has_it(folder):
    token = sealed(folder, [record(1)])
    first = spool.open_sealed(folder, token)
    assert spool.open_sealed(folder, token) is None
    first.close()
    second = spool.open_sealed(folder, token)
    assert second is not None
    second.remove()
    with pytest.raises(SpoolChanged, match="gone"):
        spool.open_sealed(folder, token)


def test_a_foreign_hand_is_noticed(folder):
    token = sealed(folder, [record(1), record(2)])
    path = folder / token["file"]
    path.write_bytes(path.read_bytes().replace(b"1000001", b"1000009"))
    with pytest.raises(SpoolChanged, match="changed"):
        spool.open_sealed(folder, token)


def test_a_spool_of_another_machine_is_known(folder, tmp_path):
    token = sealed(folder, [])
    assert spool.is_here(folder, token)
    assert not spool.is_here(tmp_path / "elsewhere" / "held", token)


def test_a_sweep_takes_only_what_a_crash_left(folder):
    named = sealed(folder, [record(1)])["file"]
    left = sealed(folder, [record(2)])["file"]
    written = spool.create(folder, "juki.sabun")
    assert spool.sweep(folder, lambda: {named}) == [folder / left]
    assert sorted(path.name for path in folder.glob("*.jsonl")) == sorted([named, written.path.name])
    written.remove()
    assert spool.sweep(folder / "missing", set) == []


def test_a_disk_that_takes_nothing_is_told(folder):
    folder.parent.mkdir()
    folder.write_text("a file is in the way")
    with pytest.raises(Transient, match="cannot be kept"):
        spool.create(folder, "juki.sabun")


def test_what_a_record_is_about_is_read_from_it():
    key, value = record(7)
    assert (spool.key_of(value), spool.short_type_of(value)) == (key, "resident.died")
