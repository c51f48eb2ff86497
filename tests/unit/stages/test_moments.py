"""Moments are read as legacy systems write them, and compared only as far as both are exact."""

import pytest

from hub.errors import Malformed
from hub.stages.moments import date_of, moment_in, moment_of, older


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20261120", "20261120"),
        ("2026-11-20", "20261120"),
        ("2026/11/20 01:10", "202611200110"),
        ("2026-11-20T01:10:05.123+09:00", "20261120011005"),
        ("20261120011005", "20261120011005"),
        ("ZENKEN_20261120.csv", "20261120"),
        ("ZENKEN_20261120_0110.csv", "202611200110"),
        ("99_20261120_x", "20261120"),
    ],
)
def test_a_moment_is_read(text, moment):
    assert moment_of(text) == moment
    assert date_of(moment) == "2026-11-20"


@pytest.mark.parametrize(
    "text", ["", "ZENKEN.csv", "1791000000000000000", "20261399", "20260230", "2026112", "x12345678"]
)
def test_what_is_no_date_is_no_moment(text):
    with pytest.raises(Malformed):
        moment_of(text)
    assert moment_in(f"in/{text}") == ""


def test_moments_are_compared_as_far_as_both_are_exact():
    assert older("20261119", "202611200110")
    assert not older("20261120", "202611200110")
    assert not older("202611200110", "20261120")
    assert older("202611200109", "20261120011005")
    assert not older("", "20261120")
    assert not older("20261120", "")
