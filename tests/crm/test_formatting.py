"""How numbers, money and times read, in both languages; golden values of the UI guide."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils.translation import override

from crm.shared import formatting as f

# 14:03 on 18 November 2026 in Shanghai.
NOW = datetime(2026, 11, 18, 6, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "chinese", "english"),
    [
        (0, "0", "0"),
        (9_999, "9,999", "9,999"),
        (12_345, "1.2万", "12.3K"),
        (10_000, "1万", "10K"),
        (999_999, "100万", "1M"),
        (1_234_567, "123.5万", "1.2M"),
        (99_999_999, "1亿", "100M"),
        (123_456_789, "1.2亿", "123.5M"),
        (-12_345, "-1.2万", "-12.3K"),
        (3.5, "3.5", "3.5"),
        (None, "—", "—"),
    ],
)
def test_tiles_and_axes_abbreviate_by_language(value, chinese, english):
    with override("zh-hans"):
        assert f.compact(value) == chinese
    with override("en"):
        assert f.compact(value) == english


@pytest.mark.parametrize(
    ("cents", "text"),
    [
        (123_450, "¥1,234.50"),
        (0, "¥0.00"),
        (-5, "-¥0.05"),
        (100_000_000_00, "¥100,000,000.00"),
        (None, "—"),
    ],
)
def test_money_shows_every_cent(cents, text):
    assert f.money(cents) == text


def test_money_of_another_currency_names_it():
    assert f.money(123_450, "USD") == "USD 1,234.50"


def test_money_on_a_tile_is_short():
    with override("zh-hans"):
        assert f.compact_money(1_234_567_890) == "¥1,234.6万"
    with override("en"):
        assert f.compact_money(1_234_567_890) == "¥12.3M"
        assert f.compact_money(123_450) == "¥1,235"


def test_rates_have_one_decimal_and_their_denominator():
    assert f.rate(0.12345) == "12.3%"
    assert f.rate(1) == "100.0%"
    with override("zh-hans"):
        assert f.share(37, 301) == "12.3%（37/301）"
    with override("en"):
        assert f.share(37, 301) == "12.3% (37/301)"
    assert f.share(1, 0) == "—"


def test_a_difference_of_rates_is_in_points():
    with override("zh-hans"):
        assert f.points(-0.006) == "0.6 个百分点"


@pytest.mark.parametrize(
    ("phone", "text"),
    [
        ("13812341234", "138****1234"),
        ("+8613812341234", "+86138****1234"),
        ("12345", "***45"),
        ("", "—"),
        (None, "—"),
    ],
)
def test_phones_are_masked(phone, text):
    assert f.masked_phone(phone) == text


@pytest.mark.parametrize(
    ("at", "chinese", "english"),
    [
        (datetime(2026, 11, 18, 1, 12, tzinfo=UTC), "今天 09:12", None),
        (datetime(2026, 11, 17, 10, 40, tzinfo=UTC), "昨天 18:40", None),
        # Still the 17th in UTC, already the 18th in Shanghai.
        (datetime(2026, 11, 17, 16, 1, tzinfo=UTC), "今天 00:01", None),
        (datetime(2026, 11, 19, 1, 0, tzinfo=UTC), "明天 09:00", None),
        (datetime(2026, 10, 18, 6, 3, tzinfo=UTC), "10-18 14:03", "18 Oct 14:03"),
        (datetime(2025, 12, 30, 6, 3, tzinfo=UTC), "2025-12-30", "30 Dec 2025"),
        (None, "—", "—"),
    ],
)
def test_instants_read_as_people_say_them(at, chinese, english):
    with override("zh-hans"):
        assert f.when(at, NOW) == chinese
    if english:
        with override("en"):
            assert f.when(at, NOW) == english


def test_days_are_whole_dates():
    with override("zh-hans"):
        assert f.day(date(2026, 11, 18)) == "2026-11-18"
        assert f.moment(NOW) == "2026-11-18 14:03"
    with override("en"):
        assert f.day(date(2026, 11, 18)) == "18 Nov 2026"
        assert f.moment(NOW) == "18 Nov 2026 14:03"


@pytest.mark.parametrize(
    ("length", "chinese"),
    [
        (252, "4 分 12 秒"),
        (240, "4 分"),
        (0, "0 秒"),
        (0.4, "0.4 秒"),
        (59.6, "1 分"),
        (11_160, "3 小时 6 分"),
        (timedelta(days=2, hours=4, minutes=50), "2 天 4 小时"),
        (None, "—"),
    ],
)
def test_durations_show_two_units(length, chinese):
    with override("zh-hans"):
        assert f.duration(length) == chinese


def test_file_sizes_have_a_unit():
    assert f.file_size(812) == "812 B"
    assert f.file_size(1_234_567) == "1.2 MB"


def test_english_words_for_durations_days_and_points():
    with override("en"):
        assert f.duration(252) == "4m 12s"
        assert f.duration(timedelta(days=2, hours=4)) == "2d 4h"
        assert f.points(0.006) == "0.6 pp"
        assert f.when(datetime(2026, 11, 18, 1, 12, tzinfo=UTC), NOW) == "Today 09:12"
        assert f.when(datetime(2026, 11, 17, 10, 40, tzinfo=UTC), NOW) == "Yesterday 18:40"
