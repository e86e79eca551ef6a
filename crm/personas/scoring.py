"""The published points of the four personas."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WINDOW = timedelta(days=365)
LEAST = 30
"""Whoever has fewer points for every persona is none of them."""


class Persona(models.TextChoices):
    """In the order in which equal scores are decided: the rarer kind first."""

    SHARER = "sharer", _("活跃分享人")
    QUALITY = "quality", _("品质生活家")
    SHOPPER = "shopper", _("精明消费者")
    FAN = "fan", _("深粉种草党")


@dataclass(frozen=True)
class Feature:
    """One thing that is counted: ``each`` points for every one, ``most`` in all."""

    code: str
    persona: Persona
    label: str | Promise
    each: int
    most: int


FEATURES = (
    Feature("invited", Persona.SHARER, _("邀请入群的人数"), 20, 60),
    Feature("commented", Persona.SHARER, _("朋友圈评论次数"), 8, 40),
    Feature("dear", Persona.QUALITY, _("高价订单（每天价格在前四分之一）"), 30, 60),
    Feature("spent", Persona.QUALITY, _("每付款 5,000 元"), 10, 40),
    Feature("cheap", Persona.SHOPPER, _("低价订单（每天价格在后四分之一）"), 30, 60),
    Feature("compared", Persona.SHOPPER, _("浏览线路的天数"), 5, 40),
    Feature("liked", Persona.FAN, _("朋友圈点赞次数"), 6, 60),
    Feature("viewed", Persona.FAN, _("浏览线路次数"), 2, 40),
)
CODES = tuple(feature.code for feature in FEATURES)


def points(feature: Feature, count: int) -> int:
    """The points of a feature."""
    return min(feature.each * count, feature.most)


def scores_of(counts: dict[str, int]) -> dict[Persona, int]:
    """Points of every persona for counts by the code of a feature."""
    scores = dict.fromkeys(Persona, 0)
    for feature in FEATURES:
        scores[feature.persona] += points(feature, counts.get(feature.code, 0))
    return scores


def persona_of(counts: dict[str, int]) -> str:
    """The code of the persona, empty for none."""
    scores = scores_of(counts)
    best = max(scores, key=lambda persona: scores[persona])
    return str(best) if scores[best] >= LEAST else ""
