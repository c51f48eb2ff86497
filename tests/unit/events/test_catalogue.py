import re

import pytest

from hub.errors import Malformed
from hub.events.catalogue import TYPES, validate

# contract.md, Event types: what every event type must have; `?` marks the optional.
CONTRACT = {
    "resident.moved": "name kana? birth_date? old_address new_address household_no? old_household_no?"
    " relationship? head? reason?",
    "resident.moved-in": "name kana? birth_date? old_address? new_address household_no? old_household_no?"
    " relationship? head? reason? from_municipality?",
    "resident.moved-out": "name kana? birth_date? old_address new_address? household_no? old_household_no?"
    " relationship? head? reason? to_municipality?",
    "resident.address-renumbered": "old_address new_address",
    "resident.born": "name kana? birth_date sex? address? household_no? guardian?",
    "resident.died": "name kana? birth_date? died_on address? household_no? informant?",
    "resident.name-changed": "old_name name kana? birth_date? address? reason?",
    "resident.married": "partner? name old_name? registered_on",
    "resident.divorced": "partner? name old_name? registered_on",
    "resident.mailing-changed": "mailing_address?",
    "guardian.appointed": "guardian kind?",
    "guardian.ended": "guardian kind?",
    "household.changed": "kind from_household? to_household? old_head? new_head? relationship?",
    "resident.protection-started": "kind provisional? until? together_with?",
    "resident.protection-ended": "kind provisional? until? together_with?",
    "insurance.enrolled": "scheme certificate_no?",
    "insurance.left": "scheme certificate_no?",
    "benefit.granted": "benefit certificate_no? until?",
    "benefit.ended": "benefit certificate_no? until?",
    "contract.opened": "contract contract_no?",
    "contract.closed": "contract contract_no?",
    "tax.assessed": "tax year status",
    "application.submitted": "application_no form channel? answers",
    "application.decided": "application_no decision reason?",
    "form.scanned": "form document fields",
    "event.corrected": "event_id? source? identity? subject? sequence? reason? data",
    "event.cancelled": "event_id? source? identity? subject? sequence? reason?",
}
LOCATING = re.compile(r".*address|postal_code|household_no|to_municipality|informant|guardian|answers")
ALSO_LOCATING = {
    ("household.changed", "to_household"),
    ("form.scanned", "fields"),
    ("event.corrected", "data"),
    ("application.submitted", "attachments"),
}
ADDRESS = {"text": "守口市大日町1丁目1番1号"}
EXAMPLES = {
    "name": "守口 花子",
    "old_name": "大日 花子",
    "birth_date": "1980-02-29",
    "old_address": ADDRESS,
    "new_address": {**ADDRESS, "postal_code": "570-0003", "municipality_code": "272094", "building": ""},
    "died_on": "2026-11-20",
    "registered_on": "2026-11-20",
    "guardian": "1000002",
    "kind": "member",
    "scheme": "kokuho",
    "benefit": "jido-teate",
    "contract": "water",
    "tax": "juminzei",
    "year": "2026",
    "status": "課税",
    "application_no": "A-1",
    "form": "転居届",
    "answers": {"q1": [1, None, {"a": True}]},
    "decision": "承認",
    "document": "D-1",
    "fields": [{"name": "氏名", "value": "", "confidence": 0.5}, {"name": "住所", "value": "大日町"}],
    "data": {"name": "守口 花子"},
    "effective_on": "2026-11-20",
}


def example(name):
    data = {field.name: EXAMPLES[field.name] for field in TYPES[name].fields.values() if not field.optional}
    return {**data, "event_id": "1"} if name.startswith("event.") else data


def fault_of(name, data, version=1):
    with pytest.raises(Malformed) as caught:
        validate(name, version, data)
    return caught.value


def test_the_catalogue_is_the_contract():
    assert set(TYPES) == set(CONTRACT)


@pytest.mark.parametrize("name", CONTRACT)
def test_fields_are_those_of_the_contract(name):
    fields = TYPES[name].fields
    promised = {word.removesuffix("?"): word.endswith("?") for word in CONTRACT[name].split()}
    promised |= {"effective_on": False, "notified_on": True}
    assert {field: fields[field].optional for field in promised if field in fields} == promised
    assert all(fields[field].optional for field in set(fields) - set(promised))


@pytest.mark.parametrize("name", CONTRACT)
def test_every_field_speaks_japanese_and_english(name):
    for field in TYPES[name].fields.values():
        for each in (field, *field.fields.values()):
            assert re.search(r"[぀-ヿ一-鿿]", each.ja), each
            assert re.search(r"[a-z]{3}", each.en), each


@pytest.mark.parametrize("name", CONTRACT)
def test_locating_fields_are_marked(name):
    for field in TYPES[name].fields.values():
        expected = bool(LOCATING.fullmatch(field.name)) or (name, field.name) in ALSO_LOCATING
        assert field.locating == expected, field.name
        assert all(part.locating == expected for part in field.fields.values())


def test_an_address_knows_its_parts():
    parts = TYPES["resident.moved"].fields["new_address"].fields
    assert list(parts) == ["text", "postal_code", "municipality_code", "town", "block", "building"]
    assert [part.name for part in parts.values() if not part.optional] == ["text"]
    assert set(TYPES["form.scanned"].fields["fields"].fields) == {"name", "value", "confidence"}


@pytest.mark.parametrize("name", CONTRACT)
def test_a_minimal_event_passes_and_each_required_field_is_missed(name):
    data = example(name)
    validate(name, 1, data)
    for field in TYPES[name].fields.values():
        if not field.optional:
            rest = {key: value for key, value in data.items() if key != field.name}
            assert f"data.{field.name} is missing" in str(fault_of(name, rest))


@pytest.mark.parametrize("name", CONTRACT)
def test_unknown_fields_are_refused(name):
    fault = fault_of(name, {**example(name), "efective_on": "2026-11-20"})
    assert fault.code == "data"
    assert "data.efective_on is not a field" in fault.message
    assert fault.mend == "did you mean effective_on?"


@pytest.mark.parametrize("name", CONTRACT)
def test_a_number_is_no_text_and_null_is_nothing(name):
    for field in TYPES[name].fields.values():
        if field.optional and not name.startswith("event."):
            validate(name, 1, {**example(name), field.name: None})
        if not field.optional:
            fault_of(name, {**example(name), field.name: None})
        if field.name not in ("year", "sequence"):
            assert f"data.{field.name}" in str(fault_of(name, {**example(name), field.name: 5}))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("effective_on", "2026-02-30", "data.effective_on is not a day of the calendar"),
        ("effective_on", "2026-2-3", "must be a date written YYYY-MM-DD"),
        ("effective_on", "20261120", "must be a date written YYYY-MM-DD"),
        ("effective_on", "2026-W01-1", "must be a date written YYYY-MM-DD"),
        ("effective_on", "2026-11-20T00:00:00Z", "must be a date written YYYY-MM-DD"),
        ("effective_on", "２０２６-11-20", "is not a day of the calendar"),
        ("effective_on", 20261120, "must be text, not a number (write it in quotes)"),
        ("name", "", "data.name is empty"),
        ("name", True, "data.name must be text, not true or false"),
        ("new_address", "大日町", "data.new_address must be an object, not text (give an object of text, postal_code"),
        ("new_address", {}, "data.new_address.text is missing"),
        ("new_address", {"text": "x", "postal": "5700003"}, "did you mean postal_code?"),
        ("new_address", {"text": "x", "postal_code": "57-00003"}, "data.new_address.postal_code is not written right"),
        ("new_address", {"text": "x", "postal_code": "５７００００３"}, "postal_code is not written right"),
        ("new_address", {"text": "x", "municipality_code": "27209"}, "municipality code, 6 digits"),
        ("head", 1000001, "data.head must be text, not a number (write it in quotes)"),
        ("household_no", 77, "data.household_no must be text, not a number (write it in quotes)"),
    ],
)
def test_faults_name_the_field_what_is_wrong_and_the_mend(field, value, said):
    assert said in str(fault_of("resident.moved", {**example("resident.moved"), field: value}))


def test_other_faults():
    protection = example("resident.protection-started")
    assert "data.provisional" in str(fault_of("resident.protection-started", {**protection, "provisional": "true"}))
    numbers = fault_of("resident.protection-started", {**protection, "together_with": ["1", 2]})
    assert "data.together_with.2 must be text" in str(numbers)
    assert "must be 'split'" in str(fault_of("household.changed", {**example("household.changed"), "kind": "分離"}))
    scanned = {**example("form.scanned"), "fields": [{"name": "x", "value": "1", "confidense": 1}]}
    assert fault_of("form.scanned", scanned).mend == "did you mean confidence?"


def test_all_faults_are_told_at_once_up_to_five():
    fault = fault_of("resident.moved", {f"x{n}": 1 for n in range(9)})
    assert fault.message.count(";") == 5
    assert "and 8 more" in fault.message


def test_numbers_json_cannot_carry_are_refused_in_answers():
    data = {**example("application.submitted"), "answers": {"a": [1.5, {"b": float("nan")}]}}
    assert "NaN" in str(fault_of("application.submitted", data))


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        ("application.submitted", {"answers": {"個人番号": "123456789018"}}),
        ("application.submitted", {"answers": {"申請者": [{"マイナンバー": "123456789018"}]}}),
        ("application.submitted", {"answers": {"a": {"my_number": "123456789018"}}}),
        ("form.scanned", {"fields": [{"name": "本人個人番号（12桁）", "value": "123456789018"}]}),
        ("event.corrected", {"data": {"住民票コード": "123456789018"}}),
    ],
)
def test_a_my_number_is_refused_and_not_repeated(type_, fields):
    fault = fault_of(type_, {**example(type_), **fields})
    assert "holds a My Number or a resident record code" in fault.message
    assert f"data.{next(iter(fields))}" in fault.message
    assert "宛名番号" in fault.mend
    assert "123456789018" not in f"{fault} {fault.__cause__}"


@pytest.mark.parametrize("name", ["個人番号カードの有無", "個人番号通知書", "number", "my_numbers", "番号"])
def test_names_that_only_mention_such_a_number_are_taken(name):
    validate("application.submitted", 1, {**example("application.submitted"), "answers": {name: "有"}})


def test_a_field_of_a_form_left_blank_is_taken():
    validate("form.scanned", 1, {**example("form.scanned"), "fields": [{"name": "個人番号", "value": ""}]})


@pytest.mark.parametrize("year", [2026, "2026"])
def test_a_year_is_a_number_or_four_digits(year):
    validate("tax.assessed", 1, {**example("tax.assessed"), "year": year})


@pytest.mark.parametrize("year", ["令和8", "26", 26, True, "2026年"])
def test_other_years_are_refused(year):
    fault_of("tax.assessed", {**example("tax.assessed"), "year": year})


@pytest.mark.parametrize(
    "target",
    [
        {"event_id": "juki/1"},
        {"source": "/systems/juki", "identity": ["1000001", 12]},
        {"source": "juki", "identity": {"宛名番号": "1000001"}},
        {"subject": "1000001", "sequence": 12},
        {"subject": "1000001", "sequence": "12"},
    ],
)
def test_a_target_is_named_in_one_way(target):
    validate("event.cancelled", 1, {"effective_on": "2026-11-20", "reason": "誤り", **target})
    validate("event.corrected", 1, {"effective_on": "2026-11-20", "data": {}, **target})


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"source": "juki"},
        {"sequence": 12},
        {"event_id": "1", "source": "juki"},
        {"event_id": "1", "subject": "1", "sequence": 12},
        {"subject": "1", "identity": ["1"]},
    ],
)
def test_a_target_named_otherwise_is_refused(target):
    fault = fault_of("event.cancelled", {"effective_on": "2026-11-20", **target})
    assert "exactly one way" in fault.message
    assert "event_id, or source and identity, or subject and sequence" in fault.mend


@pytest.mark.parametrize("target", [{"source": "juki", "identity": "1"}, {"subject": "1", "sequence": True}])
def test_a_target_of_the_wrong_kind_is_refused(target):
    fault_of("event.cancelled", {"effective_on": "2026-11-20", **target})


def test_unknown_types_and_versions():
    assert fault_of("resident.dead", {}).code == "type-unknown"
    assert "did you mean resident.died?" in str(fault_of("resident.did", {}))
    assert fault_of("resident.died", {}, version=2).code == "version-unknown"
    assert fault_of("resident.died", {}, version=0).code == "version-unknown"
