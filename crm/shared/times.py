"""Days of the corporation. Instants are stored in UTC; a day is a day in the corporation's zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings


def corp_zone() -> ZoneInfo:
    """The corporation's time zone (``CORP_TIME_ZONE``)."""
    return ZoneInfo(settings.CORP_TIME_ZONE)


def local_day(at: datetime) -> date:
    """The calendar day of an instant, in the corporation's zone."""
    return at.astimezone(corp_zone()).date()


def day_start(day: date) -> datetime:
    """The instant at which a local day begins."""
    return datetime.combine(day, time.min, corp_zone()).astimezone(UTC)


def day_end(day: date) -> datetime:
    """The instant at which the next local day begins (ranges are half open)."""
    return day_start(day + timedelta(days=1))


def from_unix(seconds: int | float) -> datetime:
    """An aware UTC instant from Unix seconds, as WeCom sends them."""
    return datetime.fromtimestamp(seconds, UTC)
