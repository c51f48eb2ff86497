"""What is sent: these fields, byte for byte, and nothing else."""

import json
import timeit

import msgspec
import pytest

from hub.routing.projection import Projection
from hub.routing.rules import Rule

BODY = (
    '{"name":"守口 太郎","died_on":"2026-11-20","amount":1.50,"household_no":null,'
    '"new_address":{"text":"京阪本通2-5-5","town":"京阪本通","block":{"no":"2","sub":"5"}},"kana":"\\u30e2"}'
).encode()
RAW = msgspec.json.decode(BODY, type=dict[str, msgspec.Raw])


def project(*send, values=None):
    return Projection(Rule(id="r", system="s", on=(), send=send)).data(RAW, values)


def test_named_fields_pass_through_byte_for_byte():
    assert project("amount", "kana", "name") == '{"amount":1.50,"kana":"\\u30e2","name":"守口 太郎"}'.encode()


def test_absent_stays_absent_and_null_as_received():
    assert project("birth_date", "household_no") == b'{"household_no":null}'
    assert project("birth_date") == b"{}"
    assert project() == b"{}"


def test_a_dotted_name_keeps_its_nesting():
    sent = json.loads(project("new_address.town", "name", "new_address.block.no"))
    assert sent == {"new_address": {"town": "京阪本通", "block": {"no": "2"}}, "name": "守口 太郎"}


def test_a_dotted_name_into_nothing_is_absent():
    assert project("old_address.town", "name.first", "new_address.zip") == b"{}"


def test_the_whole_field_covers_its_parts():
    assert json.loads(project("new_address.town", "new_address"))["new_address"]["block"] == {"no": "2", "sub": "5"}
    assert json.loads(project("new_address.block.no", "new_address.block")) == {
        "new_address": {"block": {"no": "2", "sub": "5"}}
    }


def test_computed_values_stand_in_the_order_of_send():
    assert project("died_on", {"kana": "facts.resident.kana"}, "amount", values={"kana": "モリ"}) == (
        '{"died_on":"2026-11-20","kana":"モリ","amount":1.50}'.encode()
    )
    assert project({"kana": "facts.resident.kana"}, values=None) == b"{}"


def test_a_renamed_field_is_copied_and_its_null_is_absent():
    assert project({"town": "data.new_address.town"}) == '{"town":"京阪本通"}'.encode()
    assert project({"no": "data.household_no"}, {"x": "data.nothing.there"}) == b"{}"
    assert project({"sum": " data.amount "}) == b'{"sum":1.50}'


@pytest.mark.parametrize("other", [("name",), ("died_on", "name"), ({"name": "data.name"},)])
def test_the_key_tells_equal_projections(other):
    first, same = (Projection(Rule(id=i, system="s", on=(), send=("name", "died_on"))) for i in "ab")
    assert first.key == same.key
    assert hash(first.key) == hash(same.key)
    assert Projection(Rule(id="c", system="s", on=(), send=other)).key != first.key


def test_plain_fields_are_joined_within_the_budget():
    projection = Projection(Rule(id="r", system="s", on=(), send=("name", "died_on", "kana", "household_no")))
    best = min(timeit.repeat(lambda: projection.data(RAW, None), number=2000, repeat=5)) / 2000
    assert best < 6e-6, f"{best * 1e6:.2f} µs; the budget is 1.5 µs, with room for a busy machine"
