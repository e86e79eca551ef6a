"""State and cubes equal a full fold, whatever arrives in whatever order, twice, late or erased."""

import random
import threading
from collections import Counter
from datetime import timedelta
from io import StringIO
from itertools import cycle, islice

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.standing.actions import merge_cubes
from analytics.standing.models import (
    AgentDay,
    AgentEntryDay,
    ChannelDay,
    JourneyState,
    Link,
    Person,
    PoolDay,
    PoolMove,
)
from analytics.standing.proof import prove
from analytics.standing.tasks import prove_and_repair
from crm.agents.access import Role
from crm.customers.models import Customer
from crm.timeline.actions import NewFact, append_facts
from crm.timeline.models import Fact
from tests import factories
from tests.analytics.standing_oracle import STEPS, Told, agent_days, moves, states
from tests.waiting import eventually, somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db

KINDS = (
    *STEPS,
    "friend_deleted_by_customer",
    "friend_deleted_by_agent",
    "friend_transferred",
    "group_left",
    "message_received",
    "message_sent",
    "tag_added",
)
_KIND_OF = {
    Link.ADDED: "friend_added",
    Link.DELETED_BY_CUSTOMER: "friend_deleted_by_customer",
    Link.DELETED_BY_AGENT: "friend_deleted_by_agent",
    Link.TRANSFERRED: "friend_transferred",
    Link.JOINED: "group_joined",
    Link.LEFT: "group_left",
    Link.REMOVED: "group_left",
    Link.DISMISSED: "group_left",
}
NOW = factories.START
_POOL = {1: "friends", 2: "groups"}


class World:
    """A few customers, agents, groups and channels, and what was told of them."""

    def __init__(self, customers: int) -> None:
        self.channels = [factories.make_channel().pk for _ in range(2)]
        self.agents = [factories.make_agent().pk for _ in range(2)]
        self.groups = [factories.make_group().pk for _ in range(2)]
        self.customers = [
            factories.make_customer(channel_id=channel).pk
            for channel in islice(cycle((None, *self.channels)), customers)
        ]
        owners = zip(self.customers, cycle((None, *self.channels)), strict=False)
        self.own = {customer: channel for customer, channel in owners if channel}

    def fact(self, number: int, told: tuple) -> NewFact:
        who, kind, hour, agent, channel, group = told
        return NewFact(
            self.customers[who],
            kind,
            factories.START + timedelta(hours=hour),
            "test",
            str(number),
            agent_id=self.agents[agent] if agent is not None else None,
            channel_id=self.channels[channel] if channel is not None else None,
            group_id=self.groups[group] if kind.startswith("group") else None,
        )


def assert_all_is_one(world: World) -> None:
    """State, moves and cubes say what the slow count of the facts says."""
    facts = [
        Told(f.pk, f.customer_id, f.kind.code, f.at, f.agent_id, f.group_id, f.channel_id)
        for f in Fact.unsafe_all.select_related("kind")
    ]
    expected = states(facts, world.own)
    found = {
        s.pk: (s.entry_on, s.last_entry_on, s.level, s.agent_id, s.channel_id)
        for s in JourneyState.unsafe_all.all()
    }
    assert found == expected
    assert journey_cells(ChannelDay, "on_day", "last_on", "channel_id") == Counter(
        (on, last, channel or 0, level) for on, last, level, _agent, channel in expected.values()
    )
    assert journey_cells(AgentEntryDay, "on_day", "last_on", "agent_id") == Counter(
        (on, last, agent or 0, level) for on, last, level, agent, _channel in expected.values()
    )
    went = moves(facts)
    assert {
        (
            m.customer_id,
            m.on_day,
            _POOL[m.pool],
            _KIND_OF[m.link],
            Person(m.person).name.lower(),
        ): m.n
        for m in PoolMove.unsafe_all.all()
    } == dict(went)
    days = Counter()
    for (_customer, *cell), n in went.items():
        days[tuple(cell)] += n
    keys = ("on_day", "pool", "link", "person")
    cells = PoolDay.objects.values(*keys).annotate(total=Sum("n"))
    assert {
        (c["on_day"], _POOL[c["pool"]], _KIND_OF[c["link"]], Person(c["person"]).name.lower()): c[
            "total"
        ]
        for c in cells
        if c["total"]
    } == dict(days)
    names = ("added", "lost", "dropped", "received", "sent")
    rows = AgentDay.objects.values("on_day", "agent_id").annotate(
        **{f"s_{n}": Sum(n) for n in names}
    )
    counted = {
        (row["on_day"], row["agent_id"]): tuple(row[f"s_{n}"] for n in names) for row in rows
    }
    assert {cell: n for cell, n in counted.items() if any(n)} == agent_days(facts)


def journey_cells(cube, *keys) -> Counter:
    sums = {f"s{k}": Sum(f"n{k}") for k in range(1, 7)}
    found = Counter()
    for row in cube.objects.values(*keys).annotate(**sums):
        for level in range(1, 7):
            if row[f"s{level}"]:
                found[(*(row[key] for key in keys), level)] = row[f"s{level}"]
    return found


# Some instants are shared, some lie on the edge of the window of 30 days.
_HOURS = (0, 1, 2, 24, 48, 100, 720, 721, 722, 800, 1500)


def a_story(chance: random.Random, who: int) -> list[tuple]:
    """Few kinds at few instants, so that ties, repeats and edges meet often."""
    kinds = ["friend_added", *chance.choices(KINDS, k=2), *STEPS[1 : chance.randint(1, 6)]]
    hours = chance.choices(_HOURS, k=chance.randint(2, 5))
    return [
        (
            who,
            chance.choice(kinds),
            chance.choice(hours),
            chance.choice((None, 0, 0, 1)),
            chance.choice((None, None, 0, 1)),
            chance.randint(0, 1),
        )
        for _ in range(chance.randint(1, 9))
    ]


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(chance=st.randoms(use_true_random=True))
def test_state_and_cubes_equal_a_full_fold_of_any_log(db, chance):
    with transaction.atomic():
        world = World(60)
        log = [told for who in range(60) for told in a_story(chance, who)]
        facts = [world.fact(number, told) for number, told in enumerate(log)]
        arrivals = [*facts, *chance.sample(facts, 20)]
        chance.shuffle(arrivals)
        while arrivals:
            size = chance.choice((1, 1, 2, 9, 60))
            append_facts(arrivals[:size], now=factories.START)
            arrivals = arrivals[size:]
            if chance.random() < 0.05:
                merge_cubes()
        assert_all_is_one(world)
        assert prove(now=NOW).total_drift == 0
        erased = [str(number) for number in range(len(facts)) if chance.random() < 0.1]
        Fact.unsafe_all.filter(source_key__in=erased).delete()
        assert_all_is_one(world)
        transaction.set_rollback(True)


def test_a_channel_that_the_record_learns_later_moves_the_customer():
    world = World(3)
    append_facts([world.fact(n, (n, "friend_added", 0, 0, None, 0)) for n in range(3)], now=NOW)
    Customer.unsafe_all.filter(pk=world.customers[0]).update(channel_id=world.channels[1])
    world.own[world.customers[0]] = world.channels[1]
    assert_all_is_one(world)


def test_merging_leaves_one_row_a_cell_and_every_sum():
    world = World(3)
    for hour, kind in enumerate(STEPS):
        append_facts([world.fact(hour, (0, kind, hour, 0, 0, 0))], now=NOW)
    assert ChannelDay.objects.count() > 1
    merge_cubes()
    assert_all_is_one(world)
    assert ChannelDay.objects.filter(is_merged=True).count() == ChannelDay.objects.count() == 1
    assert merge_cubes() == 0


def tell_in_two_transactions(world: World) -> None:
    """One writer tells of a start and waits with its commit; another one tells of the next step."""
    with connections["default"].copy().cursor() as slow:
        slow.execute("begin")
        slow.execute(_INSERT, [world.customers[0], 1, factories.at(0), "slow"])
        other = threading.Thread(target=_tell, args=[world.customers[0]])
        other.start()
        _until_waiting_or_done(other)
        slow.execute("commit")
        other.join()
        slow.connection.close()


_INSERT = """
insert into crm_fact (customer_id, kind_id, at, recorded_at, source, source_key, properties)
values (%s, %s, %s, now(), 'race', %s, '{}')
"""


def _tell(customer: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [customer, 5, factories.at(1), "quick"])
    connection.close()


def _until_waiting_or_done(other: threading.Thread) -> None:
    eventually(lambda: not other.is_alive() or somebody_waits_for_a_lock())


@pytest.mark.django_db(transaction=True)
def test_two_writers_of_one_customer_see_each_other():
    world = World(3)
    tell_in_two_transactions(world)
    assert JourneyState.unsafe_all.get().level == 2
    assert_all_is_one(world)


@pytest.mark.django_db(transaction=True)
def test_two_writers_without_the_lock_miss_each_other():
    world = World(3)
    lock = "create or replace function analytics_standing_lock(who bigint[]) returns void"
    with connection.cursor() as cursor:
        cursor.execute("select pg_get_functiondef('analytics_standing_lock'::regproc)")
        guarded = cursor.fetchone()[0]
        cursor.execute(f"{lock} language sql as 'select'")
    try:
        tell_in_two_transactions(world)
        assert JourneyState.unsafe_all.get().level == 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute(guarded)


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        ("update analytics_journeystate set level = 4", "journey"),
        ("delete from analytics_poolmove", "pool"),
        ("update analytics_channelday set n1 = n1 + 1", "channelday"),
        ("update analytics_agententryday set agent_id = 0", "agententryday"),
        ("update analytics_poolday set n = 7", "poolday"),
        ("delete from analytics_agentday", "agentday"),
        ("update analytics_agentweek set lost = 1", "agentweek"),
        ("delete from analytics_agentfriends", "agentfriends"),
    ],
)
def test_the_proof_finds_and_repairs_every_drift(damage, name):
    world = World(4)
    append_facts([world.fact(n, (n, "friend_added", n, 0, 0, 0)) for n in range(4)], now=NOW)
    factories.make_friend(factories.make_agent())
    merge_cubes()
    with connection.cursor() as cursor:
        cursor.execute(damage)
    found = prove(now=NOW)
    assert (found.drift[name] > 0, found.is_repaired) == (True, False)
    with pytest.raises(CommandError, match="standing rebuild"):
        call_command("standing", "prove", stdout=StringIO())
    prove_and_repair()
    assert prove(now=NOW).total_drift == 0
    assert_all_is_one(world)


def test_the_health_page_tells_of_the_last_proof_and_of_drift(client, db):
    client.force_login(factories.make_user(Role.MANAGER, departments=[factories.make_department()]))
    url = reverse("crm:sync:health")
    assert "常备数字对账" not in client.get(url).content.decode()
    customer = factories.make_customer()
    factories.make_fact(customer, "friend_added", 0)
    prove(now=timezone.now())
    good = client.get(url).content.decode()
    assert "常备数字对账" in good
    assert "与事实不一致" not in good
    with connection.cursor() as cursor:
        cursor.execute("update analytics_channelday set n1 = n1 + 1")
    prove(now=timezone.now(), repair=True)
    assert "1 处与事实不一致，已改正" in client.get(url).content.decode()
    prove(now=timezone.now())
    assert "与事实不一致" not in client.get(url).content.decode()
