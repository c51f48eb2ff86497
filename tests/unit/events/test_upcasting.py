from copy import deepcopy
from typing import Annotated

import orjson
import pytest

from hub.errors import Malformed
from hub.events.catalogue import Catalogue, EventType
from hub.events.catalogue.base import Required, Says
from hub.events.catalogue.common import Dated
from hub.events.codec import decode_record, encode_record
from hub.events.envelope import event_from
from hub.events.upcasting import Upcasts


class DogRegistered(Dated):
    """v2 of a test type: v1 had one `owner` text, `<number> <name>`."""

    tag: Annotated[Required, Says("鑑札番号", "tag number")]
    owner_no: Annotated[Required, Says("飼い主", "resident number of the owner")]
    owner_name: Annotated[str, Says("飼い主氏名", "name of the owner", "name")] | None = None


def dog_v2(data):
    number, _, name = data.pop("owner").partition(" ")
    return {**data, "owner_no": number, "owner_name": name}


TYPES = [EventType("dog.registered", 2, DogRegistered, "犬の登録", "dog registered")]
DOGS = Catalogue(TYPES, Upcasts({("dog.registered", 1): dog_v2}))
V1 = {"effective_on": "2026-11-20", "tag": "T1", "owner": "1000001 守口 太郎"}
V2 = {"effective_on": "2026-11-20", "tag": "T1", "owner_no": "1000001", "owner_name": "守口 太郎"}


def event(version, data):
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/systems/kankyo",
        "type": f"jp.lg.moriguchi.dog.registered.v{version}" if version else "dog.registered",
        "subject": "1000001",
        "data": data,
    }


def read(obj, catalogue=DOGS):
    return event_from(obj, city="moriguchi", now="2026-11-20T00:00:00Z", catalogue=catalogue)


def test_an_older_event_is_raised_on_its_way_in():
    given = event(1, deepcopy(V1))
    raised = read(given)
    assert (raised.version, raised.data) == (2, V2)
    assert given["data"] == V1
    assert read(event(2, V2)) == raised
    assert read(event(None, V2)) == raised


def test_the_short_type_is_the_current_version():
    with pytest.raises(Malformed, match="owner is not a field"):
        read(event(None, V1))


def test_a_record_written_before_the_upgrade_is_raised_when_read():
    old = orjson.dumps({**event(1, V1), "time": "2026-11-20T00:00:00Z"})
    raised = decode_record(b"1000001", old, ())
    assert (raised.type, raised.version, raised.data) == ("dog.registered", 1, V1)
    raised = decode_record(b"1000001", old, (), catalogue=DOGS)
    assert (raised.type, raised.version, raised.data) == ("dog.registered", 2, V2)
    key, value, headers = encode_record(raised, "moriguchi")
    assert decode_record(key, value, headers, catalogue=DOGS) == raised


def test_validate_raises_first():
    DOGS.validate("dog.registered", 1, V1)
    DOGS.validate("dog.registered", 2, V2)
    with pytest.raises(Malformed, match="tag is missing"):
        DOGS.validate("dog.registered", 1, {"effective_on": "2026-11-20", "owner": "1"})


def test_a_step_that_cannot_read_the_data_names_it():
    with pytest.raises(Malformed, match="v1 lacks what v2 is made from") as caught:
        read(event(1, {"effective_on": "2026-11-20", "tag": "T1"}))
    assert caught.value.code == "data"


def test_steps_chain_and_a_gap_ends_them():
    steps = {("a", 1): lambda d: {**d, "two": 2}, ("a", 2): lambda d: {**d, "three": d["two"] + 1}}
    assert Upcasts(steps).raised("a", 1, {}, 3) == {"two": 2, "three": 3}
    assert Upcasts(steps).oldest("a", 3) == 1
    assert Upcasts({("a", 1): dict}).oldest("a", 3) == 3
    with pytest.raises(Malformed) as caught:
        Upcasts({("a", 1): dict}).raised("a", 1, {}, 3)
    assert caught.value.code == "version-unknown"


@pytest.mark.parametrize("version", [0, 3])
def test_other_versions_are_unknown(version):
    with pytest.raises(Malformed) as caught:
        read({**event(1, V1), "type": f"jp.lg.moriguchi.dog.registered.v{version}"})
    assert caught.value.code in ("version-unknown", "type-unknown")
    with pytest.raises(Malformed):
        DOGS.validate("dog.registered", version, V1)
