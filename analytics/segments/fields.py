"""The attributes that a rule may ask for, and where each one stands in the customer's row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.customers.models import Customer


@dataclass(frozen=True)
class Field:
    """One attribute.

    ``type``: ``number`` (bigint column), ``days`` (days since a time), ``age`` (whole years since a
    birthday), ``choice`` (one of a list), ``text`` (equal to one of some words), ``friend``,
    ``sort`` (what a room works out itself; see ``sorts``).
    """

    name: str
    label: str | Promise
    type: Literal["number", "days", "age", "choice", "text", "friend", "sort"]
    column: str
    unit: str | Promise = ""
    choices: tuple[tuple[int | str, str | Promise], ...] = ()
    scale: int = 1  # What people type times this is what the column holds.
    people: Callable[..., tuple[str, tuple[Any, ...]]] | None = None
    offered: Callable[[], list[tuple[str, str]]] | None = None
    past: str = "days"

    def options(self) -> list[tuple[int | str, str | Promise]]:
        """Values to choose from, where they are the field's own."""
        return self.offered() if self.offered else list(self.choices)


FRIENDSHIP = (("friend", _("是好友")), ("lost", _("曾是好友")), ("never", _("从未是好友")))

FIELDS = {
    field.name: field
    for field in (
        Field("stage", _("生命周期"), "choice", "stage", choices=tuple(Customer.Stage.choices)),
        Field("channel", _("来源渠道"), "choice", "channel_id"),
        Field("gender", _("性别"), "choice", "gender", choices=tuple(Customer.Gender.choices)),
        Field("city", _("城市"), "text", "city"),
        Field("friend", _("好友状态"), "friend", "is_friend", choices=FRIENDSHIP),
        Field("age", _("年龄"), "age", "birthday", _("岁")),
        Field("orders", _("付款订单数"), "number", "order_count", _("单")),
        Field("paid", _("累计付款"), "number", "paid_cents", _("元"), scale=100),
        Field("groups", _("所在群数"), "number", "group_count", _("个")),
        Field("added_days", _("加微至今"), "days", "friend_since", _("天")),
        Field("paid_days", _("最近付款至今"), "days", "last_paid_at", _("天")),
        Field("message_days", _("最近发言至今"), "days", "last_message_at", _("天")),
        Field("fact_days", _("最近动态至今"), "days", "last_fact_at", _("天")),
    )
}
SPANS = ("number", "days", "age")
# Properties of facts that the index knows value by value; others are asked from the facts.
INDEXED_PROPERTIES = {"route_viewed": ("destination",)}
