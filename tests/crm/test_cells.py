"""Values as people and programs write them, made exact."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.ingest import cells
from crm.ingest.problems import SENTENCES, BadCell

RAW = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.datetimes(),
    st.dates(),
    st.binary(),
    st.lists(st.text(), max_size=3),
    st.dictionaries(st.text(), st.text(), max_size=2),
    st.from_regex(r"[0-9¥$,.\-+()年月日:/ TZ]{1,24}"),
)
PARSERS = [
    cells.name,
    cells.amount,
    cells.instant,
    cells.day,
    cells.phone,
    cells.currency,
    cells.order_status,
    cells.labels,
    cells.words(64),
    cells.identifier(64),
    cells.count(1, 365),
]


@pytest.mark.parametrize(
    ("written", "cents"),
    [
        ("1,234.50", 123_450),
        ("¥1234.5", 123_450),
        ("￥ 1,234.50元", 123_450),
        ("１２３４．５", 123_450),
        ("0.07", 7),
        (".5", 50),
        ("19.990", 1_999),
        (1234.5, 123_450),
        (0.1 + 0.2, 30),
        (99, 9_900),
        ("1234567890123.45", 123_456_789_012_345),
        ("", None),
        (None, None),
    ],
)
def test_an_amount_is_exact_to_the_cent(written, cents):
    assert cells.amount(written) == cents


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("-5", "negative"),
        ("¥-5", "negative"),
        ("1.234", "too_precise"),
        ("12,34", "not_an_amount"),
        ("1.234,50", "not_an_amount"),
        ("abc", "not_an_amount"),
        ("1e5", "not_an_amount"),
        ("#REF!", "excel_error"),
        (True, "wrong_type"),
        (float("nan"), "wrong_type"),
        ("9" * 40, "too_large"),
    ],
)
def test_a_doubtful_amount_is_refused_by_name(written, code):
    with pytest.raises(BadCell) as refusal:
        cells.amount(written)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-03 09:05",
        "2026-11-03T09:05:00",
        "2026-11-03T01:05:00Z",
        "2026-11-03T09:05:00+08:00",
        "2026/11/3 9:05",
        "2026/11/3 9:05:00",
        "2026.11.3 9:05",
        "2026年11月3日 9时5分",
        "2026年11月3日 上午9:05",
        "2026/11/3 9:05 AM",
        "２０２６/１１/３ ９：０５",
        "20261103090500",
        "1793667900",
        "1793667900000",
        "46329.378472222",
        datetime.fromisoformat("2026-11-03T09:05"),
        "'2026-11-03 09:05",
    ],
)
def test_an_instant_without_a_zone_is_wall_time_of_the_corporation(written):
    assert cells.instant(written) == datetime(2026, 11, 3, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize("written", ["11/3/2026", "yesterday", "2026-13-01", "2026-02-30", "9:05"])
def test_what_is_no_date_is_refused(written):
    with pytest.raises(BadCell):
        cells.instant(written)


@pytest.mark.parametrize(
    "written", ["2026-11-03", "2026/11/3", "20261103", "2026年11月3日", "46329"]
)
def test_a_day_is_a_day(written):
    assert cells.day(written) == date(2026, 11, 3)


@pytest.mark.parametrize(
    ("written", "status"),
    [("PAID", "paid"), ("已付款", "paid"), ("交易成功", "completed"), (" 已退款 ", "refunded")],
)
def test_order_states_have_many_names(written, status):
    assert cells.order_status(written) == status


def test_numbers_that_a_spreadsheet_abbreviated_are_refused():
    with pytest.raises(BadCell) as refusal:
        cells.identifier(64)("1.23457E+15")
    assert refusal.value.code == "abbreviated"


def test_digits_kept_as_text_lose_their_wrapping():
    assert cells.phone('="13800138000"') == "13800138000"
    assert cells.identifier(64)("'00123") == "00123"
    assert cells.phone("138-0013 8000\t") == "13800138000"


@pytest.mark.parametrize("parser", PARSERS)
def test_any_value_is_read_or_refused_and_never_crashes(parser):
    @given(RAW)
    def holds(raw):
        try:
            parser(raw)
        except BadCell as refusal:
            problem, remedy = SENTENCES[refusal.code]
            assert str(problem) % refusal.params and str(remedy) % refusal.params

    holds()
