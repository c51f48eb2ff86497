from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.routing.functions.dates import ERAS, age_on, birthday_on, era, fiscal_year, school_year, wareki

DAYS = st.dates(date(1873, 1, 1), date(2090, 12, 31))
BIRTHS = st.dates(date(1900, 1, 1), date(2030, 12, 31))

GOLDEN = [
    ("明治45年7月30日", "1912-07-30"),
    ("大正元年7月30日", "1912-07-30"),
    ("大正15年12月25日", "1926-12-25"),
    ("昭和元年12月25日", "1926-12-25"),
    ("昭和1年12月31日", "1926-12-31"),
    ("昭和64年1月7日", "1989-01-07"),
    ("平成元年1月8日", "1989-01-08"),
    ("平成31年4月30日", "2019-04-30"),
    ("令和元年5月1日", "2019-05-01"),
    ("令和6年2月29日", "2024-02-29"),
    ("令和二十年十二月三十一日", "2038-12-31"),
    ("昭和〇一年一二月三一日", "1926-12-31"),
    ("㋿6年4月1日", "2024-04-01"),
    ("明治6年1月1日", "1873-01-01"),
    ("S64.1.7", "1989-01-07"),
    ("s64/01/07", "1989-01-07"),
    ("h31-4-30", "2019-04-30"),
    ("令6.4.1", "2024-04-01"),
    ("M450730", "1912-07-30"),
    ("昭640107", "1989-01-07"),
    ("1450730", "1912-07-30"),
    ("2010730", "1912-07-30"),
    ("3640107", "1989-01-07"),
    ("4310430", "2019-04-30"),
    ("5010501", "2019-05-01"),
    ("５０６０４０１", "2024-04-01"),
    (" R6. 4. 1 ", "2024-04-01"),
    ("2024.4.1", "2024-04-01"),
    ("2024-04-01 00:00:00", "2024-04-01"),
    ("2024-04-01T00:00:00.000", "2024-04-01"),
    ("9999-12-31", "9999-12-31"),
    ("R.6.4.1", "2024-04-01"),
    ("R6.4.1(月)", "2024-04-01"),
    ("令和6年4月1日月曜日", "2024-04-01"),
    ("西暦2024年4月1日", "2024-04-01"),
    ("昭和廿年八月卅一日", "1945-08-31"),
    ("　", None),
]


@pytest.mark.parametrize(("text", "day"), GOLDEN)
def test_wareki(text: str, day: str | None) -> None:
    assert wareki(text) == day


@pytest.mark.parametrize("hyphen", [*"-－‐‑–—―−ーｰ"])
@pytest.mark.parametrize(("text", "day"), [("２０２３-０１-０２", "2023-01-02"), ("R6-4-1", "2024-04-01")])
def test_wareki_takes_whatever_a_codec_makes_of_a_hyphen(text: str, day: str, hyphen: str) -> None:
    assert wareki(text.replace("-", hyphen)) == day


@pytest.mark.parametrize("codec", ["cp932", "shift_jis", "euc_jp"])
def test_wareki_reads_the_same_bytes_with_each_codec(codec: str) -> None:
    raw = "２０２３−０１−０２".encode("euc_jp" if codec == "euc_jp" else "shift_jis")
    assert wareki(raw.decode(codec)) == "2023-01-02"


@pytest.mark.parametrize("text", ["1872-12-31", "18721231", "西暦1872年12月31日", "0001-01-01", "明治5年12月3日"])
def test_wareki_refuses_dates_of_the_calendar_before(text: str) -> None:
    with pytest.raises(ValueError, match="before 1873"):
        wareki(text)


@pytest.mark.parametrize("era_", ["令和", "令", "R", "r", "R.", "5", "５", 5, " R "])
@pytest.mark.parametrize(
    "text", ["060401", "6.4.1", "06/04/01", "6年4月1日", "六年四月一日", "R6.4.1", "5060401", "2024-04-01"]
)
def test_wareki_reads_an_era_of_a_column_of_its_own(text: str, era_: object) -> None:
    assert wareki(text, era_) == "2024-04-01"


def test_wareki_reads_the_first_year_of_an_era_of_a_column_of_its_own() -> None:
    assert wareki("元年5月1日", "令和") == wareki("010501", "R") == "2019-05-01"
    assert wareki("", "R") is None
    assert wareki("R6.4.1", "") == "2024-04-01"


@pytest.mark.parametrize(
    ("text", "era_"),
    [("640108", "S"), ("010430", "5"), ("R6.4.1", "H"), ("060401", "K"), ("061301", "R"), ("060401", "6")],
)
def test_wareki_refuses_what_does_not_fit_its_era(text: str, era_: str) -> None:
    with pytest.raises(ValueError, match=r"era|exist"):
        wareki(text, era_)


def test_wareki_takes_a_number_of_a_database() -> None:
    assert wareki(5060401) == wareki(20240401) == "2024-04-01"


@pytest.mark.parametrize(
    "text",
    [
        "明治45年7月31日",
        "大正元年7月29日",
        "大正15年12月26日",
        "昭和元年12月24日",
        "昭和64年1月8日",
        "昭和65年1月1日",
        "平成元年1月7日",
        "平成31年5月1日",
        "令和元年4月30日",
        "令和0年4月1日",
        "R000501",
        "令和5年2月29日",
        "令和6年13月1日",
        "令和6年4月31日",
        "R6.0.1",
        "5060400",
        "6060401",
        "0060401",
        "060401",
        "60401",
        "2023-02-29",
        "00000000",
        "99999999",
        "0000-01-01",
        "2024-04-01 09:30:00",
        "明治5年12月3日",
        "慶応4年1月1日",
        "令和6年4月",
        "令和十十年四月一日",
        "R6.4.1x",
        "2024-4",
        "-",
    ],
)
def test_wareki_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        wareki(text)


@given(
    DAYS,
    st.sampled_from(
        ["GYYMMDD", "NYYMMDD", "GGE年M月D日", "gY.M.D", "GY/MM/DD", "YYYY-MM-DD", "YYYYMMDD", "GG E年MM月DD日"]
    ),
)
def test_what_era_writes_wareki_reads(day: date, pattern: str) -> None:
    assert wareki(era(day.isoformat(), pattern)) == day.isoformat()


@given(st.dates(date(1873, 1, 2), date(2090, 12, 31)))
def test_eras_follow_one_another(day: date) -> None:
    names = [each.kanji for each in ERAS]
    before, after = era((day - timedelta(days=1)).isoformat(), "GG"), era(day.isoformat(), "GG")
    assert names.index(after) - names.index(before) in {0, 1}


@pytest.mark.parametrize(
    ("birth", "day", "age"),
    [
        ("1986-04-02", "2026-03-31", 39),
        ("1986-04-02", "2026-04-01", 40),
        ("1961-01-01", "2025-12-30", 64),
        ("1961-01-01", "2025-12-31", 65),
        ("1961-12-31", "2026-12-29", 64),
        ("1961-12-31", "2026-12-30", 65),
        ("2000-02-29", "2001-02-27", 0),
        ("2000-02-29", "2001-02-28", 1),
        ("2000-02-29", "2004-02-27", 3),
        ("2000-02-29", "2004-02-28", 4),
        ("2000-03-01", "2004-02-28", 3),
        ("2000-03-01", "2004-02-29", 4),
        ("2000-03-01", "2001-02-28", 1),
        ("2026-04-01", "2026-04-01", 0),
    ],
)
def test_age_on(birth: str, day: str, age: int) -> None:
    assert age_on(birth, day) == age


@given(BIRTHS, st.integers(1, 60))
def test_an_age_is_reached_on_the_day_before_the_birthday(birth: date, n: int) -> None:
    birthday = date.fromisoformat(birthday_on(birth.isoformat(), n))
    reached = birthday - timedelta(days=1)
    assert age_on(birth.isoformat(), reached.isoformat()) == n
    assert age_on(birth.isoformat(), (reached - timedelta(days=1)).isoformat()) == n - 1


@pytest.mark.parametrize(
    ("birth", "day", "grade"),
    [
        ("2018-04-02", "2025-04-01", 1),
        ("2019-04-01", "2025-04-01", 1),
        ("2019-04-02", "2025-04-01", 0),
        ("2018-04-01", "2025-04-01", 2),
        ("2007-04-02", "2026-03-31", 12),
        ("2007-04-02", "2026-04-01", 13),
        ("2020-02-29", "2026-04-01", 1),
    ],
)
def test_school_year(birth: str, day: str, grade: int) -> None:
    assert school_year(birth, day) == grade


@given(BIRTHS)
def test_the_first_grade_begins_after_the_age_of_six(birth: date) -> None:
    entry = next(
        year for year in range(birth.year + 5, birth.year + 9) if school_year(birth.isoformat(), f"{year}-04-01") == 1
    )
    assert age_on(birth.isoformat(), f"{entry}-03-31") == 6
    assert age_on(birth.isoformat(), f"{entry - 1}-03-31") == 5


@given(DAYS)
def test_fiscal_year(day: date) -> None:
    year = fiscal_year(day.isoformat())
    assert f"{year}-04-01" <= day.isoformat() <= f"{year + 1}-03-31"


@pytest.mark.parametrize("text", ["20240401", "2024-4-1", "2024-W14-1", "令和6年4月1日", "2023-02-29", ""])
def test_other_forms_are_not_dates(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date YYYY-MM-DD|does not exist"):
        fiscal_year(text)


def test_era_refuses_what_has_no_era() -> None:
    with pytest.raises(ValueError, match="before 1873"):
        era("1872-12-31")
