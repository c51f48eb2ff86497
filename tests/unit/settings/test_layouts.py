"""What layouts/*.yaml may say, and how its mistakes are told."""

import pytest

LINES = "  - {name: 番号, width: 10}\n"


def test_a_layout_is_read_with_its_defaults(load):
    layout = load({"layouts/kaigo.yaml": f"record:\n{LINES}"}).layouts["kaigo"]
    assert (layout.encoding, layout.widths, layout.newline, layout.overflow) == ("cp932", "bytes", "crlf", "reject")
    (field,) = layout.record
    assert (field.filling, field.is_right, field.place) == (" ", False, "layouts/kaigo.yaml:2:5")


def test_numbers_stand_right_and_are_filled_with_zeros(load):
    text = "record: [{name: 額, width: 5, type: number}]\ntrailer: [{name: 計, width: 5, total: 額}]"
    layout = load({"layouts/l.yaml": text}).layouts["l"]
    assert [(field.filling, field.is_right) for field in (*layout.record, *layout.trailer)] == [("0", True)] * 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("header: [{width: 1}]", "1:1: a layout needs `record` (write `record:`)"),
        ("record: []", "1:9: `record` has no fields (write them as a list, or remove the line)"),
        ("record: [{width: 0}]", "1:18: `width` cannot be `0` (it is greater than or equal to 1)"),
        ("record: [{widht: 1, width: 1}]", "1:11: a field of `record` has no key `widht` (did you mean `width`?)"),
        ("encoding: cp9999\nrecord: [{width: 1}]", "1:11: `encoding` cannot be `cp9999`"),
        ("encoding: utf-16\nrecord: [{width: 1}]", "1:11: `encoding` cannot be `utf-16`"),
        ("record: [{width: 1, pad: '00'}]", "1:26: `pad` cannot be `00`"),
        ("length: 9\nrecord:\n" + LINES, "2:1: the widths of `record` sum up to 10, not to the `length` of 9"),
        ("record: [{name: a, width: 1}, {name: a, width: 1}]", "1:38: the field `a` stands twice in `record`"),
        ("record: [{name: a, width: 1, value: x, constant: y}]", "1:37: `constant` and `value` both decide the field"),
        ("record: [{name: a, width: 1, count: records}]", "1:10: a record counts nothing but itself"),
        ("record: [{width: 1}]\ntrailer: [{width: 1, sequence: record}]", "2:32: `trailer` stands once"),
        ("record: [{width: 1}]\ntrailer: [{width: 1, total: 額}]", "2:29: `record` has no number `額`"),
        ("record: [{width: 1}]\ntrailer: [{name: a, width: 1}]", "2:11: nothing says what `a` holds"),
        ("record: [{width: 1}]\nnewline: none\nwidths: characters", "2:10: without line breaks a record has no end"),
        ("record: [{width: 1}]\ncolumns_by: {a.b: {c: x}}", "2:23: `record` has no field `c`"),
        ("record: [{name: c, width: 1, constant: x}]\ncolumns_by: {a.b: {c: x}}", "2:23: `c` is decided by `record`"),
    ],
)
def test_a_mistake_is_told_at_its_line(problems, text, problem):
    (found,) = problems({"layouts/l.yaml": text})
    assert found.startswith(f"layouts/l.yaml:{problem}")
