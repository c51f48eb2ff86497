from copy import deepcopy

import orjson
import pytest

from hub.errors import Malformed
from hub.events.envelope import Event, encode, event_from, short_type, wire_type

NOW = "2026-11-20T00:00:00Z"


def read(obj, **options):
    return event_from(obj, **{"city": "moriguchi", "now": NOW, **options})


def refused(obj, **options):
    with pytest.raises(Malformed) as caught:
        read(obj, **options)
    return caught.value


def test_an_event_is_kept_as_received(moved):
    before = deepcopy(moved)
    event = read(moved)
    assert event == Event(
        id="0001",
        source="/systems/juki",
        type="resident.moved",
        version=1,
        subject="1000001",
        time="2026-11-20T09:30:00+09:00",
        data=before["data"],
        extensions={"sequence": 12},
    )
    assert event.data is moved["data"]
    assert moved == before
    assert event.system == "juki"


def test_short_and_wire_types_are_the_same(moved):
    short = read(moved)
    assert read({**moved, "type": "jp.lg.moriguchi.resident.moved.v1"}) == short


def test_what_is_encoded_reads_back_the_same(moved):
    event = read({**moved, "batchid": "b1", "datacontenttype": "application/json"})
    value = encode(event, "moriguchi")
    assert read(orjson.loads(value)) == event
    assert list(orjson.loads(value))[-1] == "data"


def test_a_source_outside_the_city_is_its_own_name(moved):
    assert read({**moved, "source": "https://example.jp/x"}).system == "https://example.jp/x"


def test_absent_and_null_attributes(moved):
    del moved["time"]
    assert read({**moved, "batchid": None}).time == NOW
    assert "batchid" not in read({**moved, "batchid": None}).extensions


def test_as_a_system_fills_an_absent_source_and_refuses_another(moved):
    assert read(moved, system="juki").source == "/systems/juki"
    assert refused(moved, system="koseki").code == "source-other"
    del moved["source"]
    assert read(moved, system="koseki").source == "/systems/koseki"
    assert "source is missing" in str(refused(moved))


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "specversion"])
@pytest.mark.parametrize("value", [None, "", 5, ["x"]])
def test_required_attributes_are_texts(moved, name, value):
    fault = refused({**moved, name: value})
    assert fault.code == "attribute"
    assert name in fault.message


@pytest.mark.parametrize(
    ("attributes", "word"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": "x" * 501}, "501 characters"),
        ({"subject": "10\n01"}, "control characters"),
        ({"subject": "  "}, "spaces at its ends"),
        ({"subject": "1000001　"}, "spaces at its ends"),
        ({"id": "a\ufdd0"}, "control characters"),
        ({"data_base64": "eA=="}, "data_base64"),
        ({"Subject": "1"}, "did you mean subject"),
        ({"effective_on": "2026-01-01"}, "put effective_on into data"),
        ({"name": "守口 太郎"}, "personal data"),
        ({"guardian": "1"}, "personal data"),
        ({"datacontenttype": "application/xml"}, "application/json"),
        ({"datacontenttype": 5}, "datacontenttype must be text"),
        ({"batchid": 5}, "batchid must be text"),
        ({"hubfactsonly": "true"}, "hubfactsonly must be true or false"),
        ({"hubreplaces": 1}, "hubreplaces must be text"),
        ({"weight": 1.5}, "whole number"),
        ({"tags": ["a"]}, "whole number"),
        ({"number": 2**31}, "too large"),
        ({"sequence": 2**53}, "too large"),
        ({"note": "x" * 1001}, "1001 characters"),
    ],
)
def test_attribute_rules(moved, attributes, word):
    fault = refused({**moved, **attributes})
    assert fault.code == "attribute"
    assert word in str(fault)


def test_a_sequence_may_be_a_timestamp(moved):
    assert read({**moved, "sequence": 20261120093000}).extensions["sequence"] == 20261120093000


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/vnd.x+json"])
def test_json_content_types(moved, kind):
    assert read({**moved, "datacontenttype": kind}).extensions["datacontenttype"] == kind


@pytest.mark.parametrize(
    "time", ["2026-11-20T09:30:00Z", "2026-11-20t09:30:00.123456789z", "2026-02-28T23:59:59-05:30"]
)
def test_times(moved, time):
    assert read({**moved, "time": time}).time == time


@pytest.mark.parametrize(
    "time", ["2026-11-20", "2026-11-20T09:30:00", "2026-02-30T09:30:00Z", "20261120T093000Z", "9時", 5, ""]
)
def test_times_that_are_none(moved, time):
    assert "RFC 3339" in str(refused({**moved, "time": time}))


@pytest.mark.parametrize("obj", [None, 5, "x", [], True])
def test_an_event_is_an_object(obj):
    assert refused(obj).code == "attribute"


@pytest.mark.parametrize("data", [None, "x", [], 5])
def test_data_is_an_object(moved, data):
    fault = refused({**moved, "data": data})
    assert fault.code == "data"
    assert "new_address" in fault.mend


@pytest.mark.parametrize(
    ("type_", "code", "word"),
    [
        ("resident.movd", "type-unknown", "did you mean resident.moved?"),
        ("jp.lg.moriguchi.resident.movd.v1", "type-unknown", "did you mean resident.moved?"),
        ("jp.lg.kadoma.resident.moved.v1", "type-unknown", "not a type of the city moriguchi"),
        ("jp.lg.moriguchi.resident.moved.v2", "version-unknown", "knows v1"),
        ("jp.lg.moriguchi.resident.moved", "type-unknown", "not a wire type"),
        ("jp.lg.moriguchi.resident.moved.v01", "type-unknown", "not a wire type"),
        ("com.example.thing", "type-unknown", "no event type"),
    ],
)
def test_unknown_types_and_versions(moved, type_, code, word):
    fault = refused({**moved, "type": type_})
    assert fault.code == code
    assert word in str(fault)


@pytest.mark.parametrize("where", ["name", "reason"])
def test_u0000_is_refused_and_its_escape_as_text_is_not(moved, where):
    moved["data"][where] = "a\x00b"
    assert refused(moved).code == "text"
    moved["data"][where] = "a\\u0000b"
    assert read(moved).data[where] == "a\\u0000b"


def test_u0000_in_a_key_of_answers():
    obj = {
        "specversion": "1.0",
        "id": "1",
        "source": "/systems/x",
        "type": "application.submitted",
        "subject": "1",
        "data": {"effective_on": "2026-01-01", "application_no": "1", "form": "f", "answers": {"a": [{"\x00": 1}]}},
    }
    assert refused(obj).code == "text"


@pytest.mark.parametrize("value", ["\ud800", "a\udfff"])
def test_lone_surrogates_are_refused(moved, value):
    moved["data"]["name"] = value
    assert refused(moved).code == "text"


def test_numbers_beyond_64_bits_and_deep_nesting_are_refused(moved):
    assert refused({**moved, "n": 2**64}).code == "text"
    deep = []
    for _ in range(400):
        deep = [deep]
    assert refused({**moved, "n": deep}).code == "text"


def test_the_limit_of_size_is_256_kib(moved):
    moved["data"]["reason"] = ""
    room = 256 * 1024 - len(orjson.dumps(moved))
    moved["data"]["reason"] = "x" * room
    assert read(moved)
    moved["data"]["reason"] += "x"
    fault = refused(moved)
    assert fault.code == "too-large"
    assert "262145" in fault.message


def test_wire_and_short_types():
    assert wire_type("moriguchi", "resident.moved-in", 2) == "jp.lg.moriguchi.resident.moved-in.v2"
    assert short_type("jp.lg.moriguchi.resident.moved-in.v2") == ("resident.moved-in", 2)
    assert short_type("resident.moved-in") == ("resident.moved-in", 1)


def test_faults_do_not_quote_what_residents_are_called(moved):
    moved["data"].update(name="", birth_date="1980-13-01", kana=7, new_address={"text": "大日町", "zip": "5700003"})
    said = str(refused(moved))
    assert all(word not in said for word in ("1980", "大日町", "5700003"))


@pytest.mark.parametrize("source", ["not a uri %%", "/systems/juki ", "a<b>", "/systems/100%", "a\\b", "a%2"])
def test_a_source_that_is_no_uri_reference_is_refused(moved, source):
    fault = refused({**moved, "source": source})
    assert (fault.code, fault.message) == ("attribute", "source is no URI reference")
    assert "/systems/juki" in fault.mend


@pytest.mark.parametrize("source", ["/systems/juki", "juki", "urn:x:y", "https://a.example/b?c#d", "a%20b", "/守口"])
def test_a_uri_reference_is_kept(moved, source):
    assert read({**moved, "source": source}).source == source
