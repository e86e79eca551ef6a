"""How numbers, money, times and phones read, in Chinese and in English.

Pure functions of a value and the active language; the template filters of the same names only call
them. Abbreviated numbers are for tiles and axes; tables and files show every digit.
"""

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.utils import timezone
from django.utils.translation import get_language, gettext, pgettext

from crm.shared.times import corp_zone

ABSENT = "—"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CHINESE_UNITS = ((10**8, "亿"), (10**4, "万"))
_ENGLISH_UNITS = ((10**9, "B"), (10**6, "M"), (10**3, "K"))
_FULL_BELOW = 10_000

Number = int | float | Decimal


def is_chinese() -> bool:
    """Whether the reader's language is Chinese."""
    return (get_language() or "zh-hans").startswith("zh")


def digits(value: Number | None, places: int = 0) -> str:
    """Every digit, with thousands separators: 12,345."""
    if value is None:
        return ABSENT
    return f"{_rounded(value, places):,.{places}f}"


def compact(value: Number | None) -> str:
    """1.2万 and 1.2亿 in Chinese, 12.3K and 1.2M in English; all digits below ten thousand."""
    if value is None:
        return ABSENT
    size = abs(value)
    if _rounded(size, 0) < _FULL_BELOW:
        return digits(value, 0 if size == int(size) or size >= 100 else 1)
    units = _CHINESE_UNITS if is_chinese() else _ENGLISH_UNITS
    for unit, name in units:
        scaled = _rounded(Decimal(str(value)) / unit, 1)
        # Rounding may lift a number into the next unit: 99,999,999 is 1亿, not 10000万.
        if abs(scaled) >= 1:
            text = f"{scaled:,.1f}"
            return text.removesuffix(".0") + name
    return digits(value)


def money(cents: int | None, currency: str = "CNY") -> str:
    """An amount kept in cents: ¥1,234.50; other currencies by their code."""
    if cents is None:
        return ABSENT
    sign = "-" if cents < 0 else ""
    symbol = "¥" if currency == "CNY" else f"{currency} "
    whole, rest = divmod(abs(int(cents)), 100)
    return f"{sign}{symbol}{whole:,}.{rest:02d}"


def compact_money(cents: int | None) -> str:
    """Money for a tile: ¥1.2万, ¥12.3K; whole yuan below ten thousand."""
    if cents is None:
        return ABSENT
    sign = "-" if cents < 0 else ""
    return f"{sign}¥{compact(_rounded(Decimal(abs(int(cents))) / 100, 0))}"


def rate(value: float | None) -> str:
    """A share of one as per cent with one decimal: 12.3%."""
    if value is None:
        return ABSENT
    return f"{_rounded(value * 100, 1):.1f}%"


def share(part: Number | None, whole: Number | None) -> str:
    """A rate with its denominator: 12.3%（37/301）."""
    if part is None or not whole:
        return ABSENT
    counts = f"{digits(part)}/{digits(whole)}"
    text = rate(float(part) / float(whole))
    return f"{text}（{counts}）" if is_chinese() else f"{text} ({counts})"


def points(difference: float | None) -> str:
    """The size of a difference of rates: 0.6 个百分点, 0.6 pp. Sign and arrow say direction."""
    if difference is None:
        return ABSENT
    return gettext("%(n)s 个百分点") % {"n": f"{_rounded(abs(difference) * 100, 1):.1f}"}


def masked_phone(phone: str | None) -> str:
    """138****1234: the first three and the last four stay; short numbers keep two."""
    if not phone:
        return ABSENT
    if len(phone) < 8:
        return "*" * max(len(phone) - 2, 0) + phone[-2:]
    return f"{phone[:-8]}****{phone[-4:]}"


def day(value: date | datetime | None) -> str:
    """A whole date: 2026-11-18, in English 18 Nov 2026."""
    if value is None:
        return ABSENT
    if isinstance(value, datetime):
        value = in_corp_zone(value).date()
    if is_chinese():
        return value.isoformat()
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def when(value: datetime | None, now: datetime | None = None) -> str:
    """An instant as people say it: 今天 09:12, 昨天 18:40, 11-18 14:03, 2025-12-30."""
    if value is None:
        return ABSENT
    local = in_corp_zone(value)
    today = in_corp_zone(now or timezone.now()).date()
    clock = f"{local:%H:%M}"
    near = {
        0: pgettext("day", "今天"),
        -1: pgettext("day", "昨天"),
        1: pgettext("day", "明天"),
    }.get((local.date() - today).days)
    if near:
        return f"{near} {clock}"
    if local.year != today.year:
        return day(local.date())
    if is_chinese():
        return f"{local:%m-%d} {clock}"
    return f"{local.day} {_MONTHS[local.month - 1]} {clock}"


def moment(value: datetime | None) -> str:
    """An instant to the minute, whatever today is: 2026-11-18 14:03, 18 Nov 2026 14:03."""
    if value is None:
        return ABSENT
    return f"{day(value)} {in_corp_zone(value):%H:%M}"


def duration(value: Number | timedelta | None) -> str:
    """The two largest units of a length of time: 4 分 12 秒, 4m 12s."""
    if value is None:
        return ABSENT
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if 0 < seconds < 10 and seconds != int(seconds):
        return pgettext("duration", "%(n)s 秒") % {"n": f"{_rounded(seconds, 1)}"}
    whole = int(_rounded(abs(seconds), 0))
    sizes = (
        (86_400, pgettext("duration", "%(n)s 天")),
        (3_600, pgettext("duration", "%(n)s 小时")),
        (60, pgettext("duration", "%(n)s 分")),
        (1, pgettext("duration", "%(n)s 秒")),
    )
    for place, (size, words) in enumerate(sizes):
        if whole >= size:
            parts = [words % {"n": whole // size}]
            if place + 1 < len(sizes):
                small, small_words = sizes[place + 1]
                if rest := whole % size // small:
                    parts.append(small_words % {"n": rest})
            return " ".join(parts)
    return pgettext("duration", "%(n)s 秒") % {"n": 0}


def file_size(size: int | None) -> str:
    """Bytes for people: 812 B, 1.2 MB."""
    if size is None:
        return ABSENT
    value, unit = float(size), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{_rounded(value, 1):g} {unit}"


def in_corp_zone(value: datetime) -> datetime:
    """The instant on the corporation's clock."""
    return value.astimezone(corp_zone())


def _rounded(value: Number, places: int) -> Decimal:
    """Half away from zero, as people round; floats go through their shortest text."""
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
