"""Reply times, slow and obvious: one message after another, one day after another."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

WEEK = timedelta(days=7)
ZONE = ZoneInfo("Asia/Shanghai")


def turns_of(talk: Iterable[tuple[datetime, str]], *, since, until, as_of):
    """[(start, ended, answered)] of one customer and one agent; talk is (instant, who) in order."""
    found, waiting, heard_at = [], None, None
    for at, who in talk:
        if at > as_of:
            break
        if who == "customer":
            if waiting is None or at - heard_at > WEEK:
                if waiting is not None:
                    found.append((waiting, None))
                waiting = at
            heard_at = at
        elif waiting is not None:
            found.append((waiting, at if at - waiting <= WEEK else None))
            waiting = None
    if waiting is not None:
        found.append((waiting, None))
    return [
        (start, answer or min(start + WEEK, as_of), answer is not None)
        for start, answer in found
        if since <= start < until
    ]


def worked(start: datetime, end: datetime) -> float:
    """Seconds of Monday to Friday, nine to six, without any calendar."""
    total, day = 0.0, start.astimezone(ZONE).date()
    while day <= end.astimezone(ZONE).date():
        if day.weekday() < 5:
            low = max(start, datetime.combine(day, time(9), ZONE))
            high = min(end, datetime.combine(day, time(18), ZONE))
            total += max(0.0, (high - low).total_seconds())
        day += timedelta(days=1)
    return total


def quantile(waits: list[tuple[float, bool]], share: Fraction) -> float | None:
    """The first answer by which ``share`` of the waits are over, by Kaplan and Meier."""
    still_waiting = Fraction(1)
    for moment in sorted({seconds for seconds, answered in waits if answered}):
        at_risk = sum(seconds >= moment for seconds, _answered in waits)
        ended = sum(seconds == moment and answered for seconds, answered in waits)
        still_waiting *= 1 - Fraction(ended, at_risk)
        if 1 - still_waiting >= share:
            return moment
    return None
