"""Wall times of schedules. A schedule is a wall time and a zone; its instant is derived.

When a zone's rules change, the wall time is what the operator meant, so instants are recomputed.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils.translation import gettext as _

from crm.moments.content import MomentRejected
from crm.moments.models import Moment

WALL = "%Y-%m-%dT%H:%M"


def instant_of(wall: datetime, zone: str) -> datetime:
    """The UTC instant of a wall time; raises MomentRejected where that time does not exist.

    A time that occurs twice (clocks set back) means the first.
    """
    try:
        info = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as unknown:
        raise MomentRejected(_("没有时区“%(zone)s”") % {"zone": zone}, field="zone") from unknown
    instant = wall.replace(tzinfo=info, fold=0).astimezone(UTC)
    if instant.astimezone(info).replace(tzinfo=None) != wall:
        raise MomentRejected(
            _("%(time)s 在 %(zone)s 不存在（当天调整夏令时），请换一个时间")
            % {"time": f"{wall:%Y-%m-%d %H:%M}", "zone": zone},
            field="publish_wall",
        )
    return instant


def wall_text(wall: datetime) -> str:
    """A wall time as it is stored and as a date-time field shows it."""
    return wall.strftime(WALL)


def wall_of(text: str) -> datetime:
    """The wall time that ``wall_text`` wrote."""
    return datetime.fromisoformat(text)


def next_wall(moment: Moment, *, now: datetime) -> datetime:
    """Its hour of the next day that has not begun."""
    days = max(1, (now - moment.publish_at).days + 2)
    return wall_of(moment.publish_wall) + timedelta(days=days)


def refuse_past(instant: datetime, *, now: datetime) -> None:
    """Raise MomentRejected for a time that is over."""
    if instant <= now:
        raise MomentRejected(_("发表时间已过，请选择将来的时间"), field="publish_wall")
