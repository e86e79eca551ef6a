"""A small company in full swing, for tests that look at pages with something on them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from django.utils import timezone

from crm.agents.models import Agent, Department
from crm.customers.models import Customer
from crm.groups.models import Group
from tests.factories import (
    make_agent,
    make_channel,
    make_contact,
    make_customer,
    make_department,
    make_fact,
    make_group,
    make_membership,
    make_order,
    make_tag,
)

AGENTS = ("王芳", "李静", "张伟", "刘洋")
SURNAMES, GIVEN = "赵钱孙李周吴郑王冯陈", ("小鹿", "一诺", "若汐", "🌊海边", "Ann", "子涵", "大勇")


@dataclass
class World:
    """What the tests need to find again."""

    root: Department
    team: Department
    agents: list[Agent] = field(default_factory=list)
    customers: list[Customer] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


def build_world(*, customers: int = 60, seed: int = 7) -> World:
    """Agents, friends, chats, groups and orders of the last thirty days."""
    dice, now = Random(seed), timezone.now()
    root = make_department(name="常客旅行")
    team = make_department(name="华东一组", parent=root)
    world = World(root, team)
    world.agents = [make_agent(name=name, department=team, position="旅行顾问") for name in AGENTS]
    world.groups = [
        make_group(agent, name=f"{place}出行群", opened_at=now - timedelta(days=60))
        for agent, place in zip(world.agents, ("三亚", "大理", "北海道", "敦煌"), strict=True)
    ]
    channels = [make_channel(name=name) for name in ("小红书", "抖音直播", "老客推荐")]
    tags = [make_tag(name=name) for name in ("海岛", "亲子", "高端")]
    for n in range(customers):
        agent = dice.choice(world.agents)
        customer = make_customer(
            name=dice.choice(SURNAMES) + dice.choice(GIVEN),
            external_userid=f"wmWorld{n:04}",
            phone=f"138{dice.randrange(10**8):08}",
            channel=dice.choice(channels),
            is_friend=True,
            friend_since=now - timedelta(days=dice.uniform(0.05, 40)),
            tag_ids=[tag.pk for tag in tags if dice.random() < 0.4],
            stage=dice.choice(Customer.Stage.values),
        )
        make_contact(customer, agent, added_at=customer.friend_since)
        _let_live(world, customer, agent, dice, now)
        world.customers.append(customer)
    return world


def _let_live(world: World, customer: Customer, agent: Agent, dice: Random, now: datetime) -> None:
    added = customer.friend_since
    make_fact(customer, "friend_added", added, agent_id=agent.pk, channel_id=customer.channel_id)
    for _n in range(dice.randrange(6)):
        said = min(added + timedelta(hours=dice.uniform(1, 400)), now - timedelta(minutes=9))
        make_fact(customer, "message_received", said, agent_id=agent.pk)
        if dice.random() < 0.85:
            answered = said + timedelta(minutes=dice.uniform(1, 8))
            make_fact(customer, "message_sent", answered, agent_id=agent.pk)
    if dice.random() < 0.5:
        group = dice.choice(world.groups)
        joined = min(added + timedelta(hours=dice.uniform(1, 90)), now)
        left = now - timedelta(hours=3) if dice.random() < 0.2 else None
        make_membership(group, customer, joined_at=joined, left_at=left)
        make_fact(customer, "group_joined", joined, group_id=group.pk, agent_id=agent.pk)
        group.customer_count += 1
        group.save()
    if dice.random() < 0.3:
        order = make_order(
            customer,
            paid_at=now - timedelta(hours=dice.uniform(1, 600)),
            product="三亚五日自由行",
            destination="三亚",
            amount_cents=dice.randrange(100_000, 900_000),
        )
        make_fact(
            customer,
            "order_paid",
            order.paid_at,
            order_id=order.pk,
            amount_cents=order.amount_cents,
        )
        Customer.unsafe_all.filter(pk=customer.pk).update(
            order_count=1, paid_cents=order.amount_cents, last_paid_at=order.paid_at
        )
    if dice.random() < 0.1:
        gone = now - timedelta(hours=dice.uniform(1, 30))
        make_fact(customer, "friend_deleted_by_customer", gone, agent_id=agent.pk)
