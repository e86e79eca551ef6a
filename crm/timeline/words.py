"""Facts in words: what a line of the timeline says, and which icon stands before it."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from crm.shared.formatting import money
from crm.timeline.models import Fact


@dataclass(frozen=True)
class Family:
    """Kinds that a reader asks for together."""

    key: str
    label: str | Promise
    icon: str
    codes: tuple[str, ...]


FAMILIES = (
    Family(
        "friend",
        gettext_lazy("好友"),
        "user-plus",
        (
            "friend_added",
            "friend_deleted_by_customer",
            "friend_deleted_by_agent",
            "friend_transferred",
            "retained",
        ),
    ),
    Family(
        "message",
        gettext_lazy("聊天"),
        "chat-bubble-left",
        ("message_received", "message_sent", "active"),
    ),
    Family(
        "group",
        pgettext_lazy("timeline", "群"),
        "chat-bubble-left-right",
        ("group_joined", "group_left"),
    ),
    Family(
        "order",
        gettext_lazy("订单"),
        "shopping-bag",
        ("order_paid", "order_refunded", "order_cancelled", "repeat_order"),
    ),
    Family(
        "moment",
        gettext_lazy("朋友圈"),
        "photo",
        ("moment_visible", "moment_liked", "moment_commented"),
    ),
    Family(
        "article",
        gettext_lazy("图文"),
        "document-text",
        ("article_opened", "article_read", "article_clicked"),
    ),
    Family("tag", gettext_lazy("标签"), "tag", ("tag_added", "tag_removed")),
)
_ICONS = {
    code: icon
    for icon, codes in (
        ("user-minus", ("friend_deleted_by_customer", "friend_deleted_by_agent")),
        ("arrows-right-left", ("friend_transferred",)),
        ("check-badge", ("retained", "active")),
        ("arrow-right-start-on-rectangle", ("group_left",)),
        ("arrow-uturn-left", ("order_refunded", "order_cancelled")),
        ("heart", ("moment_liked",)),
        ("map", ("route_viewed",)),
        ("identification", ("member_began", "member_ended")),
    )
    for code in codes
}
_FAMILY_ICONS = {code: family.icon for family in FAMILIES for code in family.codes}


def icon_of(code: str) -> str:
    """Name of the icon for a kind; the company's own kinds share one."""
    return _ICONS.get(code) or _FAMILY_ICONS.get(code) or "bolt"


def sentence(fact: Fact) -> str:
    """One line about a fact whose agent, group and order are already loaded."""
    write = _SENTENCES.get(fact.kind.code)
    return write(fact) if write else fact.kind.label


def _agent(fact: Fact) -> str:
    return fact.agent.name if fact.agent else _("员工")


def _group(fact: Fact) -> str:
    return str(fact.group) if fact.group else _("客户群")


def _order(fact: Fact) -> dict[str, str]:
    return {
        "order": fact.order.product or fact.order.order_no if fact.order else _("订单"),
        "amount": money(fact.amount_cents),
    }


def _tag(fact: Fact) -> str:
    return str(fact.properties.get("tag") or fact.properties.get("name") or _("标签"))


def _tier(fact: Fact) -> str:
    return str(fact.properties.get("tier") or _("会员"))


def _route(fact: Fact) -> str:
    named = fact.properties.get("title") or fact.properties.get("route")
    return str(named or fact.properties.get("route_id") or _("线路"))


def _article(fact: Fact) -> dict[str, str]:
    said = fact.properties
    return {"article": str(said.get("title", "")), "card": str(said.get("card", ""))}


_SENTENCES: dict[str, Callable[[Fact], str]] = {
    "friend_added": lambda f: _("与 %(agent)s 成为好友") % {"agent": _agent(f)},
    "friend_deleted_by_customer": lambda f: _("删除了 %(agent)s") % {"agent": _agent(f)},
    "friend_deleted_by_agent": lambda f: _("被 %(agent)s 删除") % {"agent": _agent(f)},
    "friend_transferred": lambda f: _("移交给 %(agent)s") % {"agent": _agent(f)},
    "group_joined": lambda f: _("加入「%(group)s」") % {"group": _group(f)},
    "group_left": lambda f: _("离开「%(group)s」") % {"group": _group(f)},
    "message_received": lambda f: _("给 %(agent)s 发来消息") % {"agent": _agent(f)},
    "message_sent": lambda f: _("%(agent)s 回复了消息") % {"agent": _agent(f)},
    "retained": lambda f: _("加微满 7 天仍是好友"),
    "active": lambda f: _("7 天内有两天主动发言"),
    "order_paid": lambda f: _("付款 %(amount)s：%(order)s") % _order(f),
    "order_refunded": lambda f: _("退款 %(amount)s：%(order)s") % _order(f),
    "order_cancelled": lambda f: _("取消订单：%(order)s") % _order(f),
    "repeat_order": lambda f: _("再次下单 %(amount)s：%(order)s") % _order(f),
    "moment_visible": lambda f: _("看得到 %(agent)s 的朋友圈") % {"agent": _agent(f)},
    "moment_liked": lambda f: _("点赞了 %(agent)s 的朋友圈") % {"agent": _agent(f)},
    "moment_commented": lambda f: _("评论了 %(agent)s 的朋友圈") % {"agent": _agent(f)},
    "tag_added": lambda f: _("打上标签「%(tag)s」") % {"tag": _tag(f)},
    "tag_removed": lambda f: _("取下标签「%(tag)s」") % {"tag": _tag(f)},
    "member_began": lambda f: _("成为%(tier)s") % {"tier": _tier(f)},
    "member_ended": lambda f: _("%(tier)s到期") % {"tier": _tier(f)},
    "article_opened": lambda f: _("打开图文「%(article)s」") % _article(f),
    "article_read": lambda f: _("读过图文「%(article)s」") % _article(f),
    "article_clicked": lambda f: _("在图文「%(article)s」里点了「%(card)s」") % _article(f),
    "route_viewed": lambda f: _("浏览线路：%(route)s") % {"route": _route(f)},
}
