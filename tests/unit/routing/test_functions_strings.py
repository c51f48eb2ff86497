from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.routing.functions import strings

TEXTS = st.text(alphabet="守口-　aZ", max_size=9)


@given(TEXTS, st.text(alphabet="守-a", max_size=2), st.integers(-1, 4))
def test_what_is_split_is_joined_again_and_has_no_more_parts_than_asked(text: str, separator: str, most: int) -> None:
    parts = strings.split(text, separator, most)
    if most:
        assert strings.join(parts, separator) == text
    assert most < 0 or len(parts) <= most


@given(TEXTS, st.integers(-1, 10), st.integers(-1, 10))
def test_a_substring_is_there_or_refused(text: str, start: int, end: int) -> None:
    if 0 <= start <= end <= len(text):
        assert strings.substring(text, start, end) == text[start:end]
        assert strings.substring(text, 0, start) + strings.substring(text, start) == text
    else:
        with pytest.raises(ValueError, match=r"has no position|before it begins"):
            strings.substring(text, start, end)


@given(TEXTS, st.text(alphabet="守-a", min_size=1, max_size=2))
def test_a_part_is_found_where_it_stands(text: str, part: str) -> None:
    first, last = strings.index_of(text, part), strings.last_index_of(text, part)
    assert (first >= 0) == (last >= 0) == (part in text)
    for at in {first, last} - {-1}:
        assert strings.substring(text, at, at + len(part)) == part
        assert strings.index_of(text, part, at) == strings.last_index_of(text, part, at) == at


@given(TEXTS)
def test_only_ascii_changes_its_case(text: str) -> None:
    assert strings.lower_ascii(text) == text.replace("Z", "z")
    assert strings.upper_ascii("ａé" + text) == "ａé" + text.replace("a", "A")
    assert strings.reverse(strings.reverse(text)) == text


@pytest.mark.parametrize("at", [-1, 3])
def test_a_position_that_a_text_does_not_have(at: int) -> None:
    for call in (strings.char_at, lambda text, at: strings.index_of(text, "x", at)):
        with pytest.raises(ValueError, match=f"'守口' has no position {at}, only 0 to 2"):
            call("守口", at)
