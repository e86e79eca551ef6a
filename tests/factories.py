"""Rows for tests: each function makes one valid row; keyword arguments override any field."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from crm.agents.access import Role
from crm.agents.models import Agent, Department, User
from crm.catalog.models import Order
from crm.customers.models import Channel, Contact, Customer, Tag, TagGroup
from crm.groups.models import Group, Membership
from crm.timeline.actions import NewFact, append_facts
from crm.timeline.models import Fact

PASSWORD = "correct horse battery"
START = datetime(2026, 11, 1, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai
_serial = count(1)


def at(day: float = 0) -> datetime:
    """The instant ``day`` days after the start of the test world."""
    return START + timedelta(days=day)


def make_department(*, parent: Department | None = None, **overrides: Any) -> Department:
    n = overrides.pop("wecom_id", None) or 1000 + next(_serial)
    path = f"{parent.path if parent else '/'}{n}/"
    return Department.objects.create(
        **{"wecom_id": n, "name": f"部门{n}", "parent": parent, "path": path} | overrides
    )


def make_agent(**overrides: Any) -> Agent:
    n = next(_serial)
    return Agent.unsafe_all.create(**{"userid": f"agent_{n}", "name": f"顾问{n}"} | overrides)


def make_user(role: str = Role.OPERATOR, *, departments=(), **overrides: Any) -> User:
    n = next(_serial)
    user = User(**{"username": f"{role}_{n}", "role": role} | overrides)
    user.set_password(PASSWORD)
    user.save()
    user.departments.set(departments)
    return user


def make_channel(**overrides: Any) -> Channel:
    n = next(_serial)
    return Channel.objects.create(**{"code": f"channel-{n}", "name": f"渠道{n}"} | overrides)


def make_tag(**overrides: Any) -> Tag:
    n = next(_serial)
    group = overrides.pop("group", None) or TagGroup.objects.create(
        wecom_id=f"etGroup{n}", name=f"标签组{n}"
    )
    return Tag.objects.create(
        **{"wecom_id": f"etTag{n}", "name": f"标签{n}", "group": group} | overrides
    )


def make_customer(**overrides: Any) -> Customer:
    n = next(_serial)
    return Customer.unsafe_all.create(
        **{"name": f"客户{n}", "customer_no": f"C{n:08d}", "known_since": START} | overrides
    )


def make_friend(agent: Agent, **overrides: Any) -> Customer:
    """A customer who is a friend of ``agent`` on WeCom, with the contact row."""
    n = next(_serial)
    added_at = overrides.pop("added_at", START)
    customer = make_customer(
        **{"external_userid": f"wmTest{n:06d}", "is_friend": True, "friend_since": added_at}
        | overrides
    )
    make_contact(customer, agent, added_at=added_at)
    return customer


def make_contact(customer: Customer, agent: Agent, **overrides: Any) -> Contact:
    return Contact.unsafe_all.create(
        **{"customer": customer, "agent": agent, "added_at": START} | overrides
    )


def make_group(owner: Agent | None = None, **overrides: Any) -> Group:
    n = next(_serial)
    return Group.unsafe_all.create(
        **{"chat_id": f"wrTest{n:06d}", "name": f"群{n}", "owner": owner, "opened_at": START}
        | overrides
    )


def make_membership(group: Group, member: Customer | Agent, **overrides: Any) -> Membership:
    if isinstance(member, Agent):
        who = {"agent": member, "userid": member.userid}
    else:
        who = {"customer": member, "userid": member.external_userid or f"wmGuest{member.pk}"}
    return Membership.unsafe_all.create(
        **{"group": group, "joined_at": START, "join_scene": 3} | who | overrides
    )


def make_order(customer: Customer, **overrides: Any) -> Order:
    n = next(_serial)
    return Order.unsafe_all.create(
        **{
            "order_no": f"O{n:08d}",
            "customer": customer,
            "status": Order.Status.PAID,
            "paid_at": START,
            "amount_cents": 128_000,
        }
        | overrides
    )


def make_fact(customer: Customer, kind: str, when: datetime | float = 0, **overrides: Any) -> Fact:
    """A fact ``when`` days after the start of the test world (or at an instant)."""
    n = next(_serial)
    instant = when if isinstance(when, datetime) else at(when)
    values = {"source": "test", "source_key": str(n)} | overrides
    append_facts([NewFact(customer.pk, kind, instant, **values)], now=instant)
    return Fact.unsafe_all.get(source=values["source"], source_key=values["source_key"])
