from __future__ import annotations

from typing import Any

import pytest

from hub.errors import Malformed
from hub.events.envelope import Event, identity
from hub.routing.expressions import Environment, ExpressionError
from hub.routing.mapping import Difference, Ignored, Mapper
from hub.settings.models import Case, Publication, Source, System, TableRow

READ_AT = "2026-11-20T09:30:00+09:00"
TABLES = {
    "jiyu": (
        TableRow(code="20", value="転居"),
        TableRow(code="90", value="異動の取消し"),
        TableRow(code="91", value="誤記修正"),
        TableRow(code="99", value="その他"),
        TableRow(code="98", value="その他"),
        TableRow(code="21", value="転居", until="2026-11-20"),
    )
}
DATES = {"effective_on": "wareki(row.異動日)", "notified_on": "wareki(row.届出日)"}
MOVED = Case(
    event="resident.moved",
    when='lookup("jiyu", row.異動事由) == "転居"',
    map={"name": "row.氏名", "new_address": "address(row.住所)", "old_address": "address(row.旧住所)"},
)
CANCELLED = Case(
    event="event.cancelled",
    when='lookup("jiyu", row.異動事由) == "異動の取消し"',
    cancels={"sequence": "int(row.取消履歴番号)"},
)
IGNORED = Case(ignore="宛名出力のみ", when='row.異動事由 == "99"')
MOVE = {
    "宛名番号": "1000001", "履歴番号": "3", "異動日": "令和6年4月1日", "届出日": "", "異動事由": "20",
    "氏名": "守口　太郎", "住所": "〒570-8666 守口市京阪本通2-5-5", "旧住所": "大阪市北区", "取消履歴番号": "",
}  # fmt: skip
KOKUHO_ROW = {"宛名番号": "1000001", "記号番号": "12-345", "資格取得日": "R6.4.1"}


def mapper(*publications: Publication, source: Source | None = None, system: str = "juki") -> Mapper:
    source = source or Source(name="sabun", adapter="csv", identity="[row.宛名番号, row.履歴番号]")
    whole = System(system=system, sources={source.name: source}, publishes=publications)
    return Mapper(whole, publications[0], source, Environment(TABLES), "moriguchi")


def juki(*cases: Case, **changes: Any) -> Mapper:
    settings: dict[str, Any] = {
        "source": "sabun",
        "subject": "row.宛名番号",
        "sequence": "int(row.履歴番号)",
        "defaults": DATES,
    }
    return mapper(Publication(**{**settings, "cases": cases or (MOVED, CANCELLED, IGNORED), **changes}))


def kokuho() -> Mapper:
    mapped = {"scheme": '"kokuho"', "effective_on": "wareki(row.資格取得日)", "certificate_no": "row.記号番号"}
    publication = Publication(
        source="main", subject="row.宛名番号", cases=(Case(event="insurance.enrolled", map=mapped),)
    )
    return mapper(publication, source=Source(name="main", adapter="csv"), system="kokuho")


def event_of(made: Mapper, row: dict[str, Any]) -> Event:
    event = made.map(row, as_of_time=READ_AT)
    assert isinstance(event, Event)
    return event


def refused(made: Mapper, row: dict[str, Any]) -> Malformed:
    with pytest.raises(Malformed) as caught:
        made.map(row, as_of_time=READ_AT)
    return caught.value


def test_the_short_form() -> None:
    event = event_of(kokuho(), KOKUHO_ROW)
    assert (event.system, event.type, event.subject, event.time) == ("kokuho", "insurance.enrolled", "1000001", READ_AT)
    assert event.data == {"scheme": "kokuho", "effective_on": "2024-04-01", "certificate_no": "12-345"}
    assert event.extensions == {}
    assert event.id == identity("kokuho", KOKUHO_ROW)


def test_equal_rows_are_one_event_and_any_other_text_makes_another() -> None:
    made = kokuho()
    first = event_of(made, KOKUHO_ROW)
    assert event_of(made, dict(reversed(KOKUHO_ROW.items()))).id == first.id
    assert event_of(made, {**KOKUHO_ROW, "資格取得日": "R06.04.01"}).id != first.id


def test_cases() -> None:
    event = event_of(juki(), MOVE)
    assert event.type == "resident.moved"
    assert event.data == {
        "effective_on": "2024-04-01",
        "name": "守口　太郎",
        "new_address": {"text": "守口市京阪本通2-5-5", "postal_code": "570-8666"},
        "old_address": {"text": "大阪市北区"},
    }
    assert event.extensions == {"sequence": 3}


def test_the_type_joins_the_identity_where_a_source_makes_several() -> None:
    assert event_of(juki(), MOVE).id == identity("juki", ["1000001", "3", "resident.moved"])
    assert event_of(juki(MOVED, IGNORED), MOVE).id == identity("juki", ["1000001", "3"])


def test_several_publications_of_one_source_count_as_several_types() -> None:
    first = Publication(source="sabun", subject="row.宛名番号", defaults=DATES, cases=(MOVED,))
    other = Publication(source="sabun", subject="row.宛名番号", cases=(Case(event="household.changed"),))
    elsewhere = Publication(source="zenken", subject="row.宛名番号", cases=(Case(event="household.changed"),))
    assert event_of(mapper(first, other), MOVE).id == identity("juki", ["1000001", "3", "resident.moved"])
    assert event_of(mapper(first, elsewhere), MOVE).id == identity("juki", ["1000001", "3"])


def test_a_whole_row_with_several_types() -> None:
    publication = Publication(source="main", subject="row.宛名番号", defaults=DATES, cases=(MOVED, CANCELLED))
    made = mapper(publication, source=Source(name="main", adapter="csv"))
    assert event_of(made, MOVE).id == identity("juki", [MOVE, "resident.moved"])


def test_an_own_id() -> None:
    assert event_of(juki(id="row.宛名番号 + '-' + row.履歴番号"), MOVE).id == "1000001-3"
    assert event_of(juki(id="int(row.履歴番号)"), MOVE).id == "3"


def test_a_cancellation_names_its_target_by_the_rows_subject_and_sequence() -> None:
    event = event_of(juki(), {**MOVE, "異動事由": "90", "取消履歴番号": "2", "届出日": "R6.4.3"})
    assert event.type == "event.cancelled"
    assert event.data == {
        "effective_on": "2024-04-01", "notified_on": "2024-04-03", "subject": "1000001", "sequence": 2,
    }  # fmt: skip


def test_an_empty_identity_is_refused_and_one_that_is_half_empty_is_not() -> None:
    publication = Publication(source="main", subject="row.宛名番号", defaults=DATES, cases=(MOVED,))
    made = mapper(publication, source=Source(name="main", adapter="csv", identity="[row.受理番号, row.枝番]"))
    found = refused(made, {**MOVE, "受理番号": "", "枝番": ""})
    assert (found.code, "the identity is empty" in found.message) == ("identity", True)
    assert event_of(made, {**MOVE, "受理番号": "", "枝番": "1"}).id == identity("juki", ["", "1"])


def test_a_cancellation_by_identity_and_by_event_id() -> None:
    by_identity = Case(
        event="event.cancelled", cancels={"identity": "[row.宛名番号, row.取消履歴番号]", "reason": "row.氏名"}
    )
    data = event_of(juki(by_identity), {**MOVE, "取消履歴番号": "2"}).data
    assert data["identity"] == ["1000001", "2"]
    assert (data["source"], data["reason"]) == ("/systems/juki", "守口　太郎")
    by_id = Case(event="event.cancelled", cancels={"event_id": "row.取消履歴番号", "reason": "row.届出日"})
    data = event_of(juki(by_id), {**MOVE, "取消履歴番号": "x-2"}).data
    assert data == {"effective_on": "2024-04-01", "event_id": "x-2"}


def test_a_correction_carries_the_whole_right_payload() -> None:
    corrected = Case(event="event.corrected", corrects={"sequence": "row.取消履歴番号"}, map={**MOVED.map})
    event = event_of(juki(corrected), {**MOVE, "取消履歴番号": "2"})
    assert event.data == {
        "effective_on": "2024-04-01",
        "subject": "1000001",
        "sequence": 2,
        "data": event_of(juki(), MOVE).data,
    }


def test_defaults_stand_only_where_the_type_has_the_field() -> None:
    made = juki(defaults={**DATES, "household_no": "row.世帯番号", "name": '"default"'})
    assert event_of(made, {**MOVE, "世帯番号": "77"}).data["household_no"] == "77"
    assert event_of(made, {**MOVE, "世帯番号": "77"}).data["name"] == "守口　太郎"
    assert "household_no" not in event_of(made, {**MOVE, "異動事由": "90", "取消履歴番号": "2"}).data


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_cell_leaves_its_field_absent(empty: str | None) -> None:
    mapped = {**MOVED.map, "kana": "row.カナ", "old_address": '{"text": row.旧住所, "building": row.方書}'}
    made = juki(Case(event="resident.moved", map=mapped))
    data = event_of(made, {**MOVE, "カナ": empty, "方書": "", "届出日": empty}).data
    assert data["old_address"] == {"text": "大阪市北区"}
    assert not {"kana", "notified_on"} & set(data)


def test_an_ignored_row_says_why() -> None:
    assert juki().map({**MOVE, "異動事由": "99"}, as_of_time=READ_AT) == Ignored("宛名出力のみ")


def test_otherwise() -> None:
    row = {**MOVE, "異動事由": "98"}
    assert refused(juki(), row).code == "no-case"
    assert isinstance(juki(otherwise="ignore").map(row, as_of_time=READ_AT), Ignored)


def test_a_test_that_is_unknown_does_not_fit() -> None:
    assert (
        refused(juki(Case(event="resident.moved", when='row.異動事由 == "20"')), {**MOVE, "異動事由": None}).code
        == "no-case"
    )


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"履歴番号": "三"}, "int", "int() cannot read the text, in: int(row.履歴番号)"),
        ({"履歴番号": ""}, "int", "in: int(row.履歴番号)"),
        ({"履歴番号": None}, "empty", "the identity is empty: row.履歴番号 is missing"),
        ({"宛名番号": ""}, "empty", "the subject is empty"),
        ({"異動日": "令和6年2月30日"}, "wareki", "does not exist"),
        ({"異動日": ""}, "data", "effective_on is missing"),
        ({"異動事由": "77"}, "lookup", "has no code '77'"),
        ({"異動事由": "90", "取消履歴番号": ""}, "int", "int()"),
        ({"異動事由": "90", "取消履歴番号": None}, "empty", "sequence is empty: row.取消履歴番号 is missing"),
        ({"氏名": "守\x00口"}, "text", "U+0000"),
        ({"宛名番号": 1.5}, "expression", "neither a text nor a whole number"),
    ],
)
def test_what_cannot_be_mapped_is_malformed(changes: dict[str, Any], code: str, message: str) -> None:
    error = refused(juki(place="systems/juki.yaml:9:5"), {**MOVE, **changes})
    assert error.code == code
    assert message in error.message
    assert error.place in {"systems/juki.yaml:9:5", ""}


def test_a_bad_sequence_says_where_it_is_written() -> None:
    assert refused(juki(place="systems/juki.yaml:9:5"), {**MOVE, "履歴番号": "三"}).place == "systems/juki.yaml:9:5"


def test_a_column_that_is_not_there() -> None:
    row = {name: value for name, value in MOVE.items() if name != "取消履歴番号"}
    error = refused(juki(), {**row, "異動事由": "90"})
    assert error.code == "column"
    assert error.message == "there is no column 取消履歴番号"
    assert error.mend == "did you mean 履歴番号?"


def test_the_columns_of_a_row_are_counted_not_named_which_may_be_a_person() -> None:
    error = refused(juki(), {"9999": "9998", "守口　花子": "京阪　太郎"})
    assert (error.code, error.mend) == ("column", "correct the mapping; columns found: 2")


def test_a_test_must_give_true_or_false() -> None:
    assert "neither true nor false" in refused(juki(Case(event="resident.moved", when="row.氏名")), MOVE).message


def test_the_lookup_is_dated_by_the_day_of_reading_in_the_citys_zone() -> None:
    row = {**MOVE, "異動事由": "21"}
    assert isinstance(juki().map(row, as_of_time="2026-11-20T14:59:59Z"), Event)
    with pytest.raises(Malformed, match="no line for the code '21' on 2026-11-21"):
        juki().map(row, as_of_time="2026-11-20T15:00:00Z")


def test_numbers_of_a_database() -> None:
    event = event_of(juki(sequence="row.履歴番号"), {**MOVE, "宛名番号": 1000001, "履歴番号": 3})
    assert (event.subject, event.extensions["sequence"]) == ("1000001", 3)
    assert event.id == identity("juki", [1000001, 3, "resident.moved"])


def test_a_wrong_expression_is_found_when_the_city_is_read() -> None:
    with pytest.raises(ExpressionError, match=r"there is no function warek\(\)"):
        juki(defaults={"effective_on": "warek(row.異動日)"})
    with pytest.raises(ExpressionError, match="facts is not known here"):
        juki(subject="facts.resident.name")


def test_a_resident_another_system_does_not_know() -> None:
    case = Case(event="resident.moved", map=MOVED.map)
    publication = Publication(
        source="main", subject='resident("kaigo", row.被保険者番号)', defaults=DATES, cases=(case,)
    )
    source = Source(name="main", adapter="csv")
    system = System(system="kaigo", sources={"main": source}, publishes=(publication,))
    env = Environment(TABLES, resident=lambda _, number: {"K-7": "1000001"}.get(number))
    made = Mapper(system, publication, source, env, "moriguchi")
    assert event_of(made, {**MOVE, "被保険者番号": "K-7"}).subject == "1000001"
    assert "kaigo knows nobody as K-8" in refused(made, {**MOVE, "被保険者番号": "K-8"}).message


def test_a_row_missing_from_a_full_extract_is_an_event_only_where_a_case_names_it() -> None:
    source = Source(name="zenken", adapter="csv", mode="snapshot", key="row.宛名番号", compare=("氏名",))
    data = {"name": "row.氏名", "old_name": "was.氏名", "effective_on": '"2026-11-20"'}
    gone = {"name": "row.氏名", "effective_on": '"2026-11-20"', "died_on": '"2026-11-20"'}
    renamed = Case(event="resident.name-changed", map=data)
    died = Case(event="resident.died", when='change == "missing"', map=gone)
    row = {"宛名番号": "1", "氏名": "守口 太郎"}

    def made(change: str, *cases: Case) -> Any:
        publication = Publication(source="zenken", subject="row.宛名番号", cases=cases)
        beside = {"was": row, "changed": ["氏名"], "change": change, "batch": {}}
        return mapper(publication, source=source).map(Difference(row, beside, ["1"]), as_of_time="2026-11-20T00:00:00Z")

    assert isinstance(made("changed", renamed), Event)
    assert isinstance(made("missing", renamed), Ignored)
    assert made("missing", renamed, died).type == "resident.died"


def test_the_columns_every_row_needs_are_those_no_choice_leaves_unread() -> None:
    chosen = 'row.区分 == "1" ? row.氏名 : row.旧氏名'
    case = Case(event="resident.moved", when='row.異動事由 == "20"', map={"name": chosen, "new_address": "row.住所"})
    other = Case(event="resident.died", when='has(row.死亡日) && row.死亡日 != ""', map={"name": "row.氏名"})
    needs = juki(case, other, IGNORED).needs
    shared = {"宛名番号", "履歴番号", "異動日", "届出日"}
    assert [set(need) for need in needs] == [shared | {"異動事由", "住所"}, shared | {"氏名"}]
