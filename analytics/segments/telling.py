"""Names of the figures of segments and audiences, and words for their parts."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from crm.audiences.models import Audience

NAME, OVER_TIME, AUDIENCE = "segment", "segment-over-time", "audience"  # Of figures.
REACHED = "reached"
# In the order in which a send leaves people out.
REASONS = {
    "opted_out": pgettext_lazy("audience", "不愿接收营销消息"),
    "not_friend": pgettext_lazy("audience", "不是好友"),
    "no_sender": pgettext_lazy("audience", "没有在职员工可发"),
}
_PARTS = {
    "before": gettext_lazy("开始那天符合"),
    "after": gettext_lazy("结束那天符合"),
    "stayed": gettext_lazy("两天都符合"),
    "came": gettext_lazy("新进入"),
    "went": gettext_lazy("已离开"),
}
_STUDY = {
    REACHED: gettext_lazy("可以发到"),
    "gone": gettext_lazy("当时在名单，重算时不在"),
    "new": gettext_lazy("重算时在，当时不在名单"),
    "only": gettext_lazy("只在这个人群"),
    **REASONS,
}


def part_words(part: str) -> str:
    """What a part of a segment between two days is."""
    return str(_PARTS[part])


def study_words(part: str, other: Audience | None = None) -> str:
    """What a number of an audience's study is."""
    if part == "both" and other is not None:
        return _("也在「%(name)s」") % {"name": other.name}
    if part == "other" and other is not None:
        return _("只在「%(name)s」") % {"name": other.name}
    return str(_STUDY[part])
