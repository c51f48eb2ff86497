import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Malformed
from hub.events.documents import LONGEST, read_documents
from hub.events.text import parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('a"\\[{,]}\n'), inner),
    max_leaves=10,
)


class Drip(io.BytesIO):
    """A stream that hands out a few bytes at a time."""

    def __init__(self, content, size):
        super().__init__(content)
        self.size = size

    def readline(self, limit=-1):
        return super().readline(min(limit, self.size) if limit >= 0 else self.size)


def read(content):
    return list(read_documents(io.BytesIO(content)))


def told(content):
    """Return (place, value or the error's code) of every document."""
    return [(each.place, each.error.code if each.error else each.value) for each in read(content)]


def test_json_lines():
    assert told(b'{"a":1}\n\n  \n{"b":2}\r\n{"c":3}') == [
        ("line 1", {"a": 1}),
        ("line 4", {"b": 2}),
        ("line 5", {"c": 3}),
    ]


def test_one_object():
    assert told(b' {"a":1} ') == [("line 1", {"a": 1})]
    assert told(json.dumps({"a": {"b": [1, {}]}, "c": 2}, indent=2).encode()) == [
        ("line 1", {"a": {"b": [1, {}]}, "c": 2})
    ]


def test_objects_spread_over_lines_follow_one_another():
    content = b'{\n "a": 1\n}\n{"b":2}\n{\n\t"c": [\n\t{\n}\n]\n}\n'
    assert told(content) == [("line 1", {"a": 1}), ("line 4", {"b": 2}), ("line 5", {"c": [{}]})]


def test_an_array():
    assert told(b'\n [ {"a":"]"} , {"b":[{"c":"\\""}]},\n3 ]\n') == [
        ("item 1", {"a": "]"}),
        ("item 2", {"b": [{"c": '"'}]}),
        ("item 3", 3),
    ]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", b" [ \n ] \n", b"\xef\xbb\xbf"])
def test_nothing(content):
    assert read(content) == []


@pytest.mark.parametrize("content", [b'\xef\xbb\xbf{"a":1}\n{"a":2}', b'\xef\xbb\xbf[{"a":1},{"a":2}]'])
def test_a_byte_order_mark_is_passed_over(content):
    assert [each.value for each in read(content)] == [{"a": 1}, {"a": 2}]


BROKEN = {
    "truncated": b'{"a":"x',
    "not UTF-8": b'{"a":"\xff"}',
    "cp932": '{"a":"守口"}'.encode("cp932"),
    "huge": b'{"a":123456789012345678901234567890}',
    "too large for a double": b'{"a":1e999}',
    "lone surrogate": b'{"a":"\\ud800"}',
    "NaN": b'{"a":NaN}',
    "two": b'{"a":1}{"a":2}',
    "no JSON": b"hello",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_line_does_not_stop_the_rest(broken):
    found = read(b'{"n":1}\n' + broken + b'\n{"n":3}\n')
    assert [each.value for each in found] == [{"n": 1}, None, {"n": 3}]
    assert (found[1].place, found[1].raw, found[1].error.code) == ("line 2", broken, "json")
    assert found[1].error.place.startswith("line 2")


@pytest.mark.parametrize(
    "broken",
    [b'{"a":}', b'{"a":"\xff"}', b"{a}", b'{"a":12345678901234567890123}', b"", b'{"a":1}{"a":2}', b'{"a":"x\n"}'],
)
def test_a_broken_item_does_not_stop_the_rest(broken):
    found = read(b'[{"n":1},' + broken + b',{"n":3}]')
    assert [each.value for each in found] == [{"n": 1}, None, {"n": 3}]
    assert (found[1].place, found[1].raw, found[1].error.code) == ("item 2", broken, "json")


def test_a_truncated_array_keeps_what_was_whole():
    assert told(b'[{"n":1},{"n":2},{"n":') == [("item 1", {"n": 1}), ("item 2", {"n": 2}), ("item 3", "json")]
    assert told(b'[{"n":1},{"n":2}') == [("item 1", {"n": 1}), ("item 2", {"n": 2}), ("item 3", "json")]
    assert told(b'[{"n":1},') == [("item 1", {"n": 1}), ("item 2", "json")]
    assert told(b"[") == [("item 1", "json")]


def test_what_stands_after_an_array_is_told():
    found = read(b'[{"n":1}]\n\nx\n')
    assert [each.value for each in found] == [{"n": 1}, None]
    assert "after the end" in str(found[1].error)


def test_a_truncated_object_over_several_lines_is_one_document():
    content = json.dumps({"a": 1, "data": {"b": 2, "c": 3}}, indent=2).encode()[:-15]
    assert told(content) == [("line 1", "json")]
    assert read(content)[0].raw == content.rstrip()


def test_lines_that_all_are_broken_stay_lines():
    assert told(b'{"a":\n{"b"\nx\n') == [("line 1", "json"), ("line 2", "json"), ("line 3", "json")]


def test_an_indented_line_after_a_broken_one_is_kept():
    assert told(b'{"a":\n {"b":2}\n') == [("line 1", "json"), ("line 2", {"b": 2})]


@pytest.mark.parametrize("form", [b'{"n":1}\n%s\n{"n":3}\n', b'[{"n":1},%s,{"n":3}]'])
@pytest.mark.parametrize(
    "large",
    [
        b'{"a":"' + b"x" * 3_000_000 + b'"}',
        b'{"a":[' + b"1," * 1_500_000 + b"1]}",
        b'{"a":"' + b'\\"' * 999_999 + b'"}',
    ],
)
def test_a_document_too_long_is_told_by_its_beginning(form, large):
    found = read(form % large)
    assert [each.value for each in found] == [{"n": 1}, None, {"n": 3}]
    assert found[1].error.code == "too-large"
    assert large.startswith(found[1].raw[:LONGEST])
    assert LONGEST <= len(found[1].raw) <= LONGEST + 1


def test_a_text_that_never_ends():
    found = read(b'[{"n":1},{"a":"' + b"x" * 3_000_000)
    assert [each.error.code if each.error else each.value for each in found] == [{"n": 1}, "too-large"]


class Repeated(io.RawIOBase):
    """A long stream that is never in memory: a beginning, then the same again and again."""

    def __init__(self, head, again, times):
        super().__init__()
        self.head, self.again, self.left = head, again, times

    def readline(self, _limit=-1):
        text, self.head = self.head, b""
        if not text and self.left:
            self.left -= 1
            return self.again
        return text


ONE = b'{"a":"' + b"x" * 600 + b'"}'
LONG = {
    "lines": (b"\n", ONE + b"\n", 20_001),
    "array": (b"[", ONE + b",\n", 20_001),
    "a line": (b'{"a":"', b"x" * 60_000, 1),
    "a text in an array": (b'[{"a":"', b"x\\" * 20_000, 2),
}


@pytest.mark.parametrize(("head", "again", "documents"), LONG.values(), ids=LONG)
def test_memory_stays_constant(head, again, documents):
    tracemalloc.start()
    count = sum(1 for _ in read_documents(Repeated(head, again, 20_000 if documents > 2 else 200)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert documents - 1 <= count <= documents
    assert peak < 5_000_000


@given(st.lists(JSON), st.sampled_from([None, 1]), st.integers(1, 9), st.booleans())
def test_arrays_read_as_json_does_however_they_arrive(values, indent, size, ascii_only):
    content = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    found = list(read_documents(Drip(content, size)))
    assert [each.error for each in found] == [None] * len(values)
    assert [each.value for each in found] == values


@given(st.binary(max_size=60), st.integers(1, 9))
def test_no_bytes_break_the_reader(content, size):
    list(read_documents(io.BytesIO(content)))
    list(read_documents(Drip(b"[" + content, size)))


def test_parse_places_faults():
    with pytest.raises(Malformed) as caught:
        parse(b'{"a": 1,\n "b": x}')
    assert caught.value.place == "2:7"
    with pytest.raises(Malformed) as caught:
        parse(b'{"a": 1,\n "b": "\xff"}')
    assert (caught.value.place, caught.value.mend) == ("2:8", "save it as UTF-8")


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63), 10**18])
def test_numbers_of_64_bits_are_exact(number):
    assert parse(b"[%d]" % number) == [number]


@pytest.mark.parametrize("form", [b"%d", b" %d", b"[%d]", b"[1,%d]", b'{"a":%d}', b'{"a" :\n%d}'])
@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30])
def test_larger_numbers_are_refused(number, form):
    with pytest.raises(Malformed, match="too many digits"):
        parse(form % number)


def test_digits_in_a_text_are_no_number():
    assert parse(b'{"id":"123456789012345678901234567890"}') == {"id": "123456789012345678901234567890"}


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"x":[{"a":{"b":1}, "a" : 2}]}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":1,"a":"\\u0022"}',
        b'{"a":"\\u0022\\u0022","a":"\\u0022"}',
    ],
)
def test_a_key_that_stands_twice_is_refused_by_name(text):
    with pytest.raises(Malformed, match="the key a stands twice") as caught:
        parse(text)
    assert (caught.value.code, caught.value.mend) == ("json", "leave one of them")


@pytest.mark.parametrize("value", [{"a": {"a": 1}}, [{"a": 1}, {"a": 2}], {"a": 'x"y', "b": '"a":1,"a":2'}, {"": ""}])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_key_that_stands_once_in_each_object_is_none(value, ascii_only):
    written = json.dumps(value, ensure_ascii=ascii_only)
    assert parse(written.encode()) == value
    assert parse(written.replace('\\"', "\\u0022").encode()) == value


@pytest.mark.parametrize("text", [b"{", b'"\\ud800"'])
def test_what_is_no_json_says_a_mend(text):
    with pytest.raises(Malformed, match="not JSON") as caught:
        parse(text)
    assert caught.value.mend
