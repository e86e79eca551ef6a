"""Everything that the profile of one customer shows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q, Sum
from django.utils.translation import gettext_lazy as _

from crm.customers.models import Contact, Customer, Tag
from crm.customers.origins import Origin, origins_of
from crm.customers.queries import ORIGINS, CustomerFilter, find_customers, sort_order
from crm.shared.formatting import masked_phone
from crm.shared.paging import neighbours

ORDERS_SHOWN = 20
# Codes of WeCom's ``add_way``.
ADD_WAYS = {
    1: _("扫描二维码"),
    2: _("搜索手机号"),
    3: _("名片分享"),
    4: _("群聊"),
    5: _("手机通讯录"),
    6: _("微信联系人"),
    10: _("视频号"),
    16: _("获客链接"),
    24: _("客户申请"),
    201: _("内部成员共享"),
    202: _("管理员分配"),
}
_LEVELS = {
    Contact.Status.ACTIVE: "good",
    Contact.Status.DELETED_BY_CUSTOMER: "bad",
    Contact.Status.DELETED_BY_AGENT: "warn",
}


@dataclass(frozen=True)
class Relation:
    """The customer and one agent."""

    agent_id: int
    agent: str
    department: str
    status: str
    level: str
    added_at: datetime
    ended_at: datetime | None
    way: str
    channel: str
    remark: str
    description: str


@dataclass(frozen=True)
class Stay:
    """A group that the customer is or was in; without an address where the viewer may not look."""

    group_id: int | None
    group: str
    joined_at: datetime
    left_at: datetime | None


@dataclass(frozen=True)
class OrderLine:
    """One order as it stands."""

    order_no: str
    product: str
    destination: str
    status: str
    level: str
    paid_at: datetime | None
    start_on: Any
    amount_cents: int
    currency: str


@dataclass(frozen=True)
class OrderTotals:
    """Orders in sum: paid ones without refunds, and when."""

    orders: int
    paid: int
    paid_cents: int
    refunded: int
    first_paid_at: datetime | None
    last_paid_at: datetime | None


@dataclass(frozen=True)
class Profile:
    """One customer, as the page shows it."""

    id: int
    name: str
    customer_no: str
    external_userid: str
    origin: str
    known_since: datetime | None
    synced_at: datetime | None
    gender: str
    city: str
    birthday: Any
    phone: str
    has_phone: bool
    channel: str
    is_friend: bool
    friend_since: datetime | None
    stage: str
    stage_since: datetime | None
    relations: list[Relation]
    tags: list[tuple[str, list[str]]]
    stays: list[Stay]
    orders: list[OrderLine]
    totals: OrderTotals
    origins: dict[str, Origin]


def read_profile(customer: Customer, user: Any) -> Profile:
    """The whole profile of a customer whom the user may see."""
    return Profile(
        id=customer.pk,
        name=customer.name,
        customer_no=customer.customer_no or "",
        external_userid=customer.external_userid or "",
        origin=str(ORIGINS.get(customer.origin, customer.origin)),
        known_since=customer.known_since,
        synced_at=customer.synced_at,
        gender=customer.get_gender_display() if customer.gender else "",
        city=customer.city,
        birthday=customer.birthday,
        phone=masked_phone(customer.phone),
        has_phone=bool(customer.phone),
        channel=customer.channel.name if customer.channel else "",
        is_friend=customer.is_friend,
        friend_since=customer.friend_since,
        stage=customer.get_stage_display(),
        stage_since=customer.stage_since,
        relations=_relations(customer),
        tags=_tags(customer),
        stays=_stays(customer, user),
        orders=_orders(customer),
        totals=_totals(customer),
        origins=origins_of(customer),
    )


def neighbours_in_list(
    customer: Customer, user: Any, wanted: CustomerFilter, sort: str
) -> tuple[int | None, int | None]:
    """The customers before and after this one in the list from which the user came."""
    found = find_customers(user, wanted)
    return neighbours(found, order=sort_order(sort), row=customer)


def _relations(customer: Customer) -> list[Relation]:
    contacts = customer.contacts.select_related("agent__department", "channel").order_by(
        "-status", "added_at"
    )
    found = [
        Relation(
            agent_id=c.agent_id,
            agent=c.agent.name,
            department=c.agent.department.name if c.agent.department else "",
            status=c.get_status_display(),
            level=_LEVELS.get(c.status, ""),
            added_at=c.added_at,
            ended_at=c.ended_at,
            way=str(ADD_WAYS.get(c.add_way, "")),
            channel=c.channel.name if c.channel else c.state,
            remark=c.remark,
            description=c.description,
        )
        for c in contacts
    ]
    return sorted(found, key=lambda relation: relation.ended_at is not None)


def _tags(customer: Customer) -> list[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for tag in Tag.objects.filter(pk__in=customer.tag_ids).select_related("group"):
        grouped.setdefault(tag.group.name, []).append(tag.name)
    return list(grouped.items())


def _stays(customer: Customer, user: Any) -> list[Stay]:
    stays = list(customer.memberships.select_related("group").order_by("left_at", "-joined_at"))
    groups = type(customer).memberships.rel.related_model._meta.get_field("group").related_model
    shown = {stay.group_id for stay in stays}
    open_to_user = set(
        groups.objects.for_user(user).filter(pk__in=shown).values_list("pk", flat=True)
    )
    return [
        Stay(
            group_id=stay.group_id if stay.group_id in open_to_user else None,
            group=str(stay.group),
            joined_at=stay.joined_at,
            left_at=stay.left_at,
        )
        for stay in sorted(stays, key=lambda stay: stay.left_at is not None)
    ]


def _orders(customer: Customer) -> list[OrderLine]:
    levels = {"paid": "good", "completed": "good", "refunded": "bad", "pending": "warn"}
    latest = customer.orders.order_by("-paid_at", "-pk")[:ORDERS_SHOWN]
    return [
        OrderLine(
            order_no=order.order_no,
            product=order.product,
            destination=order.destination,
            status=order.get_status_display(),
            level=levels.get(order.status, ""),
            paid_at=order.paid_at,
            start_on=order.start_on,
            amount_cents=order.amount_cents,
            currency=order.currency,
        )
        for order in latest
    ]


def _totals(customer: Customer) -> OrderTotals:
    paid = Q(status__in=("paid", "completed"))
    sums = customer.orders.aggregate(
        orders=Count("pk"),
        paid=Count("pk", filter=paid),
        paid_cents=Sum("amount_cents", filter=paid, default=0),
        refunded=Count("pk", filter=Q(status="refunded")),
        first_paid_at=Min("paid_at", filter=paid),
        last_paid_at=Max("paid_at", filter=paid),
    )
    return OrderTotals(**sums)
