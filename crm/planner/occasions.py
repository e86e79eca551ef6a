"""What a day is: holiday or make-up workday, lunar festival, solar term, and its lunar date.

Lunar dates and solar terms are computed by cnlunar, for the years 1901 to 2099; holidays are those
of ``crm.worktime``.
"""

from calendar import monthcalendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from cnlunar import Lunar
from cnlunar.config import SOLAR_TERMS_NAME_LIST
from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from crm.worktime.queries import calendar as work_calendar

KNOWN_YEARS = range(1901, 2100)
LUNAR = {
    (1, 1): _("春节"),
    (1, 15): _("元宵节"),
    (2, 2): _("龙抬头"),
    (5, 5): _("端午节"),
    (7, 7): _("七夕"),
    (7, 15): _("中元节"),
    (8, 15): _("中秋节"),
    (9, 9): _("重阳节"),
    (12, 8): _("腊八节"),
    (12, 23): _("小年"),
}
SOLAR = {
    (1, 1): _("元旦"),
    (2, 14): _("情人节"),
    (3, 8): _("妇女节"),
    (5, 1): _("劳动节"),
    (5, 4): _("青年节"),
    (6, 1): _("儿童节"),
    (6, 18): _("618"),
    (9, 10): _("教师节"),
    (10, 1): _("国庆节"),
    (11, 11): _("双十一"),
    (12, 25): _("圣诞节"),
}
NEW_YEARS_EVE = _("除夕")
MOTHERS_DAY, FATHERS_DAY = _("母亲节"), _("父亲节")
# In the order of cnlunar's own list, from the beginning of the year.
TERMS = (
    pgettext_lazy("solar term", "小寒"),
    pgettext_lazy("solar term", "大寒"),
    pgettext_lazy("solar term", "立春"),
    pgettext_lazy("solar term", "雨水"),
    pgettext_lazy("solar term", "惊蛰"),
    pgettext_lazy("solar term", "春分"),
    pgettext_lazy("solar term", "清明"),
    pgettext_lazy("solar term", "谷雨"),
    pgettext_lazy("solar term", "立夏"),
    pgettext_lazy("solar term", "小满"),
    pgettext_lazy("solar term", "芒种"),
    pgettext_lazy("solar term", "夏至"),
    pgettext_lazy("solar term", "小暑"),
    pgettext_lazy("solar term", "大暑"),
    pgettext_lazy("solar term", "立秋"),
    pgettext_lazy("solar term", "处暑"),
    pgettext_lazy("solar term", "白露"),
    pgettext_lazy("solar term", "秋分"),
    pgettext_lazy("solar term", "寒露"),
    pgettext_lazy("solar term", "霜降"),
    pgettext_lazy("solar term", "立冬"),
    pgettext_lazy("solar term", "小雪"),
    pgettext_lazy("solar term", "大雪"),
    pgettext_lazy("solar term", "冬至"),
)


@dataclass(frozen=True)
class Almanac:
    """What never changes about a day: its lunar date (month negative if leap) and its names."""

    lunar: tuple[int, int]
    written: tuple[str, str]
    names: tuple[str | Promise, ...]


@dataclass(frozen=True)
class Occasion:
    """A day as the calendar shows it; ``is_work`` None where the week's own rule holds."""

    written: tuple[str, str]
    names: tuple[str | Promise, ...]
    is_work: bool | None

    @property
    def lunar_words(self) -> str:
        """The lunar date as it is written."""
        month, day = self.written
        if not day:
            return ""
        return gettext("%(month)s月%(day)s") % {"month": month, "day": day}


@lru_cache(maxsize=2048)
def almanac(day: date) -> Almanac:
    """Lunar date, festivals and solar term of a day; outside the known years no lunar ones."""
    names: list[str | Promise] = []
    if name := SOLAR.get((day.month, day.day)):
        names.append(name)
    if day == _sunday(day.year, 5, 2):
        names.append(MOTHERS_DAY)
    if day == _sunday(day.year, 6, 3):
        names.append(FATHERS_DAY)
    if day.year not in KNOWN_YEARS:
        return Almanac((0, 0), ("", ""), tuple(names))
    lunar = _lunar(day)
    if _date(_lunar(day + timedelta(days=1))) == (1, 1):
        names.insert(0, NEW_YEARS_EVE)
    if name := LUNAR.get(_date(lunar)):
        names.insert(0, name)
    if (term := lunar.todaySolarTerms) in SOLAR_TERMS_NAME_LIST:
        names.append(TERMS[SOLAR_TERMS_NAME_LIST.index(term)])
    # 十月大 has thirty days, 十月小 has not: for a date that says nothing.
    written = (lunar.lunarMonthCn[:-2], lunar.lunarDayCn)
    return Almanac(_date(lunar), written, tuple(names))


def occasions(first: date, last: date) -> dict[date, Occasion]:
    """Every day from ``first`` to ``last``."""
    differs = work_calendar()
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return {
        day: Occasion(
            almanac(day).written,
            almanac(day).names,
            differs[day] is not None if day in differs else None,
        )
        for day in days
    }


def next_occasions(today: date, *, days: int = 60) -> list[tuple[date, str | Promise]]:
    """Festivals and solar terms to come, soonest first."""
    ahead = [today + timedelta(days=n) for n in range(days)]
    return [(day, name) for day in ahead for name in almanac(day).names]


def _lunar(day: date) -> Lunar:
    return Lunar(datetime(day.year, day.month, day.day))  # noqa: DTZ001 - a day of a calendar


def _date(lunar: Lunar) -> tuple[int, int]:
    month = -lunar.lunarMonth if lunar.isLunarLeapMonth else lunar.lunarMonth
    return month, lunar.lunarDay


def _sunday(year: int, month: int, which: int) -> date:
    sundays = [week[6] for week in monthcalendar(year, month) if week[6]]
    return date(year, month, sundays[which - 1])
