from hashlib import sha256

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Malformed
from hub.events.envelope import identity

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def test_an_id_is_the_same_for_ever():
    expected = sha256(b'["juki",["1000001",12]]').hexdigest()[:32]
    assert identity("juki", ["1000001", 12]) == expected
    assert expected == "a51b5cdc45850aff1bb0f29f6b5971e8"


def test_a_row_is_identified_whatever_the_order_of_its_columns():
    row = {"宛名番号": "1000001", "氏名": "守口 太郎"}
    expected = sha256('["juki",{"宛名番号":"1000001","氏名":"守口 太郎"}]'.encode()).hexdigest()[:32]
    assert identity("juki", row) == expected
    assert identity("juki", dict(reversed(row.items()))) == expected
    assert identity("koseki", row) != expected


@given(st.dictionaries(TEXT, TEXT))
def test_rows_of_texts_are_written_as_rfc_8785_says(row):
    assert identity("juki", row) == sha256(rfc8785.dumps(["juki", row])).hexdigest()[:32]


def test_headers_beyond_the_first_plane_sort_as_utf_16():
    row = {"\U00020bb7": "a", "\uf929": "b", "x": "\x7f\x1f\u2028"}
    assert identity("juki", row) == sha256(rfc8785.dumps(["juki", row])).hexdigest()[:32]


def test_numbers_are_written_as_rfc_8785_says():
    assert identity("juki", {"a": 1.0}) == identity("juki", {"a": 1})


@pytest.mark.parametrize("values", [[2**53], [float("nan")], ["\ud800"], {"a": "\ud800"}, [object()]])
def test_what_has_no_canonical_form_is_refused(values):
    with pytest.raises(Malformed) as caught:
        identity("juki", values)
    assert caught.value.code == "identity"
