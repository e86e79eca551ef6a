"""The published points of the relationship index."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WINDOW = timedelta(days=365)
HIGHEST = 100
VERSION = 1


@dataclass(frozen=True)
class Rule:
    """Points for one kind of event: ``points`` for each day or time, ``most`` in all."""

    code: str
    label: str | Promise
    kind: str
    points: int
    most: int
    by_day: bool = False


RULES = (
    Rule("talk", _("主动发言的天数"), "message_received", 1, 20, by_day=True),
    Rule("orders", _("付款订单"), "order_paid", 10, 30),
    Rule("repeat", _("复购订单"), "repeat_order", 10, 20),
    Rule("comments", _("朋友圈评论"), "moment_commented", 2, 9),
    Rule("groups", _("加入客户群"), "group_joined", 3, 6),
    Rule("likes", _("朋友圈点赞"), "moment_liked", 1, 5),
    Rule("routes", _("浏览线路的天数"), "route_viewed", 1, 5, by_day=True),
    Rule("kept", _("加微满 7 天仍是好友"), "retained", 5, 5),
    Rule("refunds", _("退款"), "order_refunded", -5, -10),
    Rule("deleted", _("客户删除了员工"), "friend_deleted_by_customer", -20, -40),
)


def points(rule: Rule, count: int) -> int:
    """The points of a rule for so many days or times, within its bound."""
    earned = rule.points * count
    return max(earned, rule.most) if rule.points < 0 else min(earned, rule.most)


def index_of(counts: dict[str, int]) -> int:
    """The index for counts by the code of a rule: 0 to 100."""
    total = sum(points(rule, counts.get(rule.code, 0)) for rule in RULES)
    return min(max(total, 0), HIGHEST)
