"""How fast the queue moves: items carried out in each minute of the last hour, by kind."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.db.models.functions import TruncMinute
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.outbox.models import OutboxItem
from crm.outbox.queries import label_of

MINUTES = 60
_PATTERNS = ("", "/", ".", "x", "-", "+")


@dataclass(frozen=True)
class Throughput:
    """``counts[kind][n]`` items of a kind were done in the n-th of ``minutes``, oldest first."""

    minutes: tuple[datetime, ...]
    counts: dict[str, tuple[int, ...]]

    @property
    def total(self) -> int:
        return sum(sum(values) for values in self.counts.values())

    @property
    def per_minute(self) -> list[int]:
        """All kinds together."""
        return [sum(values) for values in zip(*self.counts.values(), strict=True)]

    @property
    def busiest(self) -> int:
        return max(self.per_minute, default=0)

    @property
    def labels(self) -> list[str]:
        return [label_of(kind) for kind in self.counts]

    @property
    def rows(self) -> list[tuple[datetime, list[int], int]]:
        """Minutes in which something was done, newest first: by kind, and together."""
        lines = zip(self.minutes, zip(*self.counts.values(), strict=True), strict=True)
        told = [(minute, list(values), sum(values)) for minute, values in lines if sum(values)]
        return told[::-1]


def throughput(user: User, *, now: datetime) -> Throughput:
    """The last hour in whole minutes, the one that runs now included, within the user's scope."""
    last = now.replace(second=0, microsecond=0)
    minutes = tuple(last - timedelta(minutes=n) for n in reversed(range(MINUTES)))
    done = OutboxItem.objects.for_user(user).filter(
        state=OutboxItem.State.DONE, finished_at__gte=minutes[0]
    )
    found = done.annotate(minute=TruncMinute("finished_at", tzinfo=last.tzinfo))
    places = {minute: place for place, minute in enumerate(minutes)}
    counts: dict[str, list[int]] = {}
    rows = found.values_list("kind", "minute").annotate(n=Count("pk")).order_by("kind", "minute")
    for kind, minute, n in rows:
        if minute in places:
            counts.setdefault(kind, [0] * MINUTES)[places[minute]] = n
    return Throughput(minutes, {kind: tuple(values) for kind, values in counts.items()})


def minutes_chart(found: Throughput) -> dict[str, Any]:
    """A figure for plot.js: stacked bars by kind."""
    at = [timezone.localtime(minute).strftime("%Y-%m-%d %H:%M") for minute in found.minutes]
    return {
        "data": [
            {
                "type": "bar",
                "name": label_of(kind),
                "x": at,
                "y": list(values),
                "hovertemplate": "%{x|%H:%M}: %{y}",
                "marker": {"pattern": {"shape": _PATTERNS[place % len(_PATTERNS)]}},
            }
            for place, (kind, values) in enumerate(found.counts.items())
        ],
        "layout": {
            "barmode": "stack",
            "height": 220,
            "showlegend": True,  # One kind alone has to be named, too.
            "xaxis": {"type": "date", "tickformat": "%H:%M", "range": [at[0], at[-1]]},
            "yaxis": {"title": {"text": _("项")}, "rangemode": "tozero"},
        },
    }
