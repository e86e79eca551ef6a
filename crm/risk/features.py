"""The published features of the risk, and the points that count where no model is trusted.

Every feature is known before the instant that is asked about. ``raw`` values are what people read;
a model takes them capped, and days and counts by their logarithm, because the step from 1 to 2
tells more than the step from 101 to 102.
"""

from dataclasses import dataclass
from math import log1p

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

HORIZON_DAYS = 7
WINDOW_DAYS = 30
AGENT_DAYS = 90
HIGH_POINTS, MID_POINTS = 60, 35
HIGH_TIMES, MID_TIMES = 3, 1.5
"""With a model, bands begin at so many times the share of touches that a deletion followed."""


@dataclass(frozen=True)
class Feature:
    """One thing that is known: at most ``most``; ``steps`` are (from, points), or (up to, points).

    ``shown`` are two values whose difference tells people what the weight means.
    """

    code: str
    label: str | Promise
    unit: str | Promise
    most: int
    steps: tuple[tuple[int, int], ...]
    shown: tuple[int, int]
    is_log: bool = True
    is_below: bool = False


FEATURES = (
    Feature("silent_days", _("客户多久没有发言"), _("天"), 365, ((30, 10), (90, 20)), (7, 60)),
    Feature(
        "unanswered", _("30 天内没有回应的触达"), _("次"), 10, ((2, 10), (4, 20), (6, 30)), (1, 5)
    ),
    Feature(
        "promo_share", _("30 天内触达里营销所占"), "%", 100, ((80, 10),), (20, 100), is_log=False
    ),
    Feature("orders", _("付款订单"), _("笔"), 10, ((0, 10),), (0, 2), is_below=True),
    Feature(
        "friend_days", _("加微多久"), _("天"), 730, ((90, 5), (30, 15)), (180, 14), is_below=True
    ),
    Feature("came_back", _("曾经删除过员工"), _("次"), 3, ((1, 20),), (0, 1), is_log=False),
    Feature(
        "agent_rate", _("员工 90 天内每百次触达被删除"), _("次"), 20, ((2, 5), (5, 10)), (1, 5)
    ),
)
CODES = tuple(feature.code for feature in FEATURES)


def taken(feature: Feature, raw: float) -> float:
    """What a model takes for a raw value."""
    capped = min(raw, feature.most)
    return log1p(capped) if feature.is_log else capped


def points(feature: Feature, raw: float) -> int:
    """The published points for a raw value: those of the step that gives most."""
    if feature.is_below:
        return max((gives for limit, gives in feature.steps if raw <= limit), default=0)
    return max((gives for limit, gives in feature.steps if raw >= limit), default=0)


def points_of(raw: list[float]) -> int:
    """The sum of all points, at most 100."""
    return min(100, sum(points(f, value) for f, value in zip(FEATURES, raw, strict=True)))
