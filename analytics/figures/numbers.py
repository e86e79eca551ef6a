"""A number on a page: its value, where its people are listed, and what hovering over it says."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from crm.shared.formatting import digits, moment
from crm.shared.formatting import rate as rate_text


@dataclass(frozen=True)
class Number:
    """A number and where the people behind it are listed; ``note`` is its meaning on hover."""

    value: int
    href: str
    label: str
    note: str = ""


def opening(figure: str, value: int, label: str, note: str = "", **query: object) -> Number:
    """A number whose people are listed by the figure of this name and these parameters."""
    people = reverse("analytics:figures:people", args=[figure])
    return Number(value, f"{people}?{urlencode(query)}" if query else people, label, note)


def meaning(
    definition: str, *, data_time: datetime | None = None, share: Rate | None = None
) -> str:
    """What hovering over a number says: definition, data time, n and interval."""
    parts = [definition]
    if share is not None and share.value is not None:
        parts.append(
            _("n = %(n)s，95%% 区间 %(low)s–%(high)s")
            % {"n": digits(share.n), "low": rate_text(share.low), "high": rate_text(share.high)}
        )
    if data_time is not None:
        parts.append(_("数据时间 %(at)s") % {"at": moment(data_time)})
    return "\n".join(parts)
