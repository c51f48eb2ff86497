"""The benches' own check: what it counts, and that it sees what is spoiled on purpose."""

import orjson
import pytest

from bench.check import CheckFailed, tamper, verify
from bench.town import FIELDS, PROTECTED, TYPES, Condition, Rule, event_id, number_of, rules, stream, system_name

RULES = [
    Rule(0, "insured", ("resident.moved",), ("name", "new_address"), Condition("insured", "kokuho")),
    Rule(0, "rest", ("resident.moved", "resident.born"), ("name",)),
    Rule(1, "all", TYPES, ("effective_on",)),
]


@pytest.fixture(scope="module")
def made():
    return stream(RULES, 400, residents=30)


def deliver(made, folder):
    """What a hub without fault would write, from the records themselves."""
    files = {system: [] for system in range(len(made.owed))}
    done = set()
    for _, value in made.records:
        event = orjson.loads(value)
        number = number_of(event["id"])
        if number in done:
            continue
        done.add(number)
        for system, numbers in enumerate(made.owed):
            if numbers[number]:
                send = made.ruleset[numbers[number] - 1].send
                data = {name: event["data"][name] for name in send if name in event["data"]}
                files[system].append(orjson.dumps({"id": event["id"], "subject": event["subject"], "data": data}))
    for system, lines in files.items():
        (folder / f"{system_name(system)}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return [folder / f"{system_name(system)}.jsonl" for system in files]


def test_what_had_to_come_passes(made, tmp_path):
    deliver(made, tmp_path)
    assert verify(made, tmp_path) == made.deliveries > 400


@pytest.mark.parametrize(("how", "said"), [("drop", "missing"), ("double", "came twice")])
@pytest.mark.parametrize("seed", range(5))
def test_a_delivery_spoiled_on_purpose_is_seen(made, tmp_path, how, said, seed):
    tamper(deliver(made, tmp_path), how, seed)
    with pytest.raises(CheckFailed, match=said):
        verify(made, tmp_path)


def test_a_wrong_order_is_seen(made, tmp_path):
    file = deliver(made, tmp_path)[1]
    file.write_bytes(b"".join(reversed(file.read_bytes().splitlines(keepends=True))))
    with pytest.raises(CheckFailed, match="after a later one"):
        verify(made, tmp_path)


def test_a_field_too_much_is_seen(made, tmp_path):
    file = deliver(made, tmp_path)[0]
    file.write_bytes(file.read_bytes().replace(b'"data":{', b'"data":{"kana":"x",', 1))
    with pytest.raises(CheckFailed, match="kana"):
        verify(made, tmp_path)


def test_where_a_protected_resident_is_must_not_be_told(made, tmp_path, monkeypatch):
    assert len(PROTECTED) == 300
    file = deliver(made, tmp_path)[0]
    told = next(line for line in map(orjson.loads, file.read_bytes().splitlines()) if "new_address" in line["data"])
    monkeypatch.setattr("bench.check.PROTECTED", {told["subject"]})
    with pytest.raises(CheckFailed, match=r"not \['name'\]"):
        verify(made, tmp_path, protecting=True)


def test_somebody_told_who_should_not_be_is_seen(made, tmp_path):
    file = deliver(made, tmp_path)[0]
    stranger = next(number for number, rule in enumerate(made.owed[0]) if not rule)
    line = orjson.dumps({"id": event_id(stranger), "subject": "1", "data": {}})
    file.write_bytes(file.read_bytes() + line + b"\n")
    with pytest.raises(CheckFailed, match="was not to come"):
        verify(made, tmp_path)


def test_the_first_rule_that_speaks_wins_and_facts_are_those_before_the_event(made):
    insured = {}
    for _, value in {record[1]: record for record in made.records}.values():
        event = orjson.loads(value)
        kind = event["type"].removeprefix("jp.lg.bench.").removesuffix(".v1")
        number = number_of(event["id"])
        if kind == "resident.moved":
            assert made.owed[0][number] == (1 if insured.get(event["subject"]) else 2)
        elif event["data"].get("scheme") == "kokuho":
            insured[event["subject"]] = kind == "insurance.enrolled"
    assert set(made.owed[0]) == {0, 1, 2}


def test_the_stream_is_as_described():
    made = stream(rules(), 3000)
    assert len(rules()) == 60
    assert sum(rule.test is not None for rule in rules()) == 30
    assert 6 < made.deliveries / made.events < 8
    assert 0.03 < len(made.records) / made.events - 1 < 0.07
    assert all(set(orjson.loads(value)["data"]) <= FIELDS[_kind(value)] for _, value in made.records)


def test_rules_that_never_hold_change_no_delivery():
    assert stream(rules(), 500).deliveries == stream(rules(total=600), 500).deliveries


def _kind(value):
    return orjson.loads(value)["type"].removeprefix("jp.lg.bench.").removesuffix(".v1")
