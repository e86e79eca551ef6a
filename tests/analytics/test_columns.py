"""Columns keep exactly what facts say, on disk as in memory, and switch versions whole."""

import random
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection, transaction
from django.db.models import Max

from analytics.events import facts, snapshots
from analytics.events.columns import tabulated
from analytics.events.live import LiveSource
from analytics.events.refresh import WritersBusy, columns_root, is_refresh_due, refresh
from analytics.events.snapshots import current, damaged_files
from analytics.events.tasks import refresh_columns
from analytics.funnels.engine import answer, levels, people
from analytics.funnels.parsing import parse_steps
from analytics.funnels.question import Question, Step
from crm.timeline.actions import NewFact, append_facts, forget_facts, move_facts
from crm.timeline.models import Fact
from tests import factories
from tests.analytics.oracle import judge

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = Question(parse_steps("friend_added,group_joined,order_paid"), 30 * 86_400)


@pytest.fixture(autouse=True)
def _own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


def customer_who(**days):
    customer = factories.make_customer()
    for kind, day in days.items():
        factories.make_fact(customer, kind, factories.at(day))
    return customer


def reached(question=QUESTION):
    return [step.reached for step in answer(question, LiveSource()).steps]


def test_an_answer_is_the_same_before_and_after_a_refresh_and_counts_newer_facts():
    customer_who(friend_added=0, group_joined=1, order_paid=2)
    late = customer_who(friend_added=0, group_joined=1)
    assert reached() == [2, 2, 1]
    refresh()
    assert reached() == [2, 2, 1]
    factories.make_fact(late, "order_paid", factories.at(3))
    customer_who(friend_added=4)
    assert reached() == [3, 2, 2]
    refresh()
    assert reached() == [3, 2, 2]
    assert LiveSource().snapshot.events == 7


def test_a_late_fact_is_put_in_its_place_in_time():
    customer = customer_who(friend_added=0, order_paid=2)
    refresh()
    assert reached() == [1, 0, 0]
    factories.make_fact(customer, "group_joined", factories.at(1))
    assert reached() == [1, 1, 1]


def test_microseconds_survive_the_way_to_disk_and_back():
    customer = factories.make_customer()
    moments = [factories.at(0) + timedelta(microseconds=n) for n in (0, 1, 999_999)]
    for number, moment in enumerate(moments):
        factories.make_fact(customer, "friend_added", moment, source_key=f"m{number}")
    snapshot = refresh()
    [bucket] = snapshot.buckets
    events = bucket.events_of(np.arange(bucket.customers))
    assert [int(n) % 1_000_000 for n in events.at_micros] == [0, 1, 999_999]


def test_only_buckets_with_new_facts_are_written_again(monkeypatch):
    monkeypatch.setattr("analytics.events.refresh.BUCKET_BITS", 1)
    customers = [customer_who(friend_added=day) for day in range(6)]
    first = refresh()
    factories.make_fact(customers[0], "group_joined", factories.at(1))
    second = refresh()
    assert len(second.buckets) == len(first.buckets) > 2
    inodes = [
        {
            bucket["name"]: (version.path / bucket["name"] / "seconds").stat().st_ino
            for bucket in version.manifest["buckets"]
        }
        for version in (first, second)
    ]
    changed = [name for name, inode in inodes[0].items() if inodes[1][name] != inode]
    assert len(changed) == 1
    assert reached() == [6, 1, 0]


def test_a_build_that_dies_leaves_the_last_good_snapshot(monkeypatch):
    customer_who(friend_added=0)
    good = refresh()
    customer_who(friend_added=1)

    def dies(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(snapshots.Writer, "publish", dies)
        refresh()
    assert current(columns_root()).version == good.version
    assert reached() == [2, 0, 0]
    assert refresh().events == 2
    assert not list(columns_root().glob(".building-*"))


def test_a_reader_keeps_its_view_while_versions_come_and_go():
    customer = customer_who(friend_added=0)
    refresh()
    reader = LiveSource()
    before = answer(QUESTION, reader)
    for day in range(1, 5):
        factories.make_fact(customer, "group_joined", factories.at(day))
        refresh(everything=True)
    assert answer(QUESTION, reader) == before


def test_a_damaged_snapshot_is_not_used():
    customer_who(friend_added=0)
    snapshot = refresh()
    assert list(damaged_files(snapshot)) == []
    snapshots._opened.cache_clear()
    file = snapshot.path / snapshot.manifest["buckets"][0]["name"] / "seconds"
    file.write_bytes(file.read_bytes()[:-1])
    assert current(columns_root()) is None
    assert reached() == [1, 0, 0]


def test_a_refresh_is_due_when_facts_wait():
    now = factories.at(30)
    assert not is_refresh_due(now=now)
    customer_who(friend_added=0)
    assert is_refresh_due(now=now)
    built = refresh().built_at
    assert not is_refresh_due(now=built)
    customer_who(friend_added=1)
    assert not is_refresh_due(now=built)
    assert is_refresh_due(now=built + timedelta(hours=7))


@pytest.fixture
def other_connection():
    other = connection.copy()
    yield other
    other.close()


def test_too_many_waiting_facts_are_written_down_first(monkeypatch):
    monkeypatch.setattr("analytics.events.refresh.TAIL_AT_MOST", 2)
    customer_who(friend_added=0, group_joined=1, order_paid=2)
    source = LiveSource()
    assert [step.reached for step in answer(QUESTION, source).steps] == [1, 1, 1]
    assert source.snapshot.events == 3


def test_files_of_another_database_are_not_used(monkeypatch):
    customer_who(friend_added=0)
    refresh()
    with monkeypatch.context() as patched:
        patched.setattr("analytics.events.refresh.database_identity", lambda: "another")
        assert LiveSource().snapshot is None
    assert LiveSource().snapshot is not None


def test_the_sweep_refreshes_when_due_and_may_be_repeated():
    customer_who(friend_added=0)
    refresh_columns()
    version = current(columns_root()).version
    refresh_columns()
    assert current(columns_root()).version == version


def test_facts_that_are_still_being_written_are_waited_for(other_connection):
    # Of one customer there is one writer at a time, so the other facts are another customer's.
    customer_who(friend_added=0)
    another = customer_who()
    with other_connection.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute(
            """insert into crm_fact
               (customer_id, kind_id, at, recorded_at, source, source_key, properties)
               select customer_id, 5, at, recorded_at, 'slow', '1', '{}' from crm_fact"""
        )
    # Its id is taken already; a snapshot up to the next one would never see it.
    factories.make_fact(another, "order_paid", factories.at(2))
    with pytest.raises(WritersBusy):
        refresh(wait_seconds=0)
    assert current(columns_root()) is None
    with other_connection.cursor() as cursor:
        cursor.execute("commit")
    assert refresh(wait_seconds=0).events == 3
    assert reached() == [1, 1, 0]


def test_conditions_look_into_properties_of_old_and_new_facts():
    rich, poor = factories.make_customer(), factories.make_customer()
    for customer, amount in ((rich, 300_000), (poor, 100_000)):
        factories.make_fact(customer, "friend_added", factories.at(0))
        factories.make_fact(
            customer,
            "order_paid",
            factories.at(1),
            amount_cents=amount,
            properties={"product": "云南 6 日" if customer is rich else "20%"},
        )
    for refreshing in (False, True):
        if refreshing:
            refresh()
        for test, expected in (
            ("amount>=2000", [rich.pk]),
            ("amount<2000", [poor.pk]),
            ("amount=3000,product=云南 6 日", [rich.pk]),
            ("product=20%", [poor.pk]),
            ("product!=20%", [rich.pk]),
            ("nothing=1", []),
        ):
            question = Question(parse_steps(f"friend_added,order_paid[{test}]"), 86_400)
            found = people(question, LiveSource(), step=2, state="reached")
            assert found.tolist() == expected


def test_levels_name_every_customer_with_events():
    done = customer_who(friend_added=0, group_joined=1, order_paid=2)
    outside = customer_who(group_joined=1)
    refresh()
    half = customer_who(friend_added=0, group_joined=1)
    assert levels(QUESTION, LiveSource()) == {done.pk: 3, outside.pk: 0, half.pk: 2}


LETTERS = {"A": "friend_added", "B": "group_joined", "C": "order_paid"}


@pytest.mark.parametrize("seed", range(4))
def test_late_repeated_and_simultaneous_facts_give_what_the_definition_says(seed):
    chance = random.Random(seed)
    customers = [factories.make_customer() for _ in range(40)]
    log = [
        (chance.randrange(40), chance.randrange(12), chance.choice("ABC"), number)
        for number in range(260)
    ]
    chance.shuffle(log)
    arrived = [*log[:150], *log[100:], *chance.sample(log, 60)]
    for start in range(0, len(arrived), 90):
        append(arrived[start : start + 90], customers)
        if chance.random() < 0.6:
            refresh(everything=chance.random() < 0.3)
    known = {number: happened for *happened, number in reversed(arrived)}
    first_place = {fact[3]: place for place, fact in reversed(list(enumerate(arrived)))}
    for order in ("ordered", "strict_increase", "any"):
        for entry in ("any", "first"):
            for steps in ("A B C", "A A B", "A B A C"):
                window = chance.randrange(1, 9)
                question = Question(
                    tuple(Step(LETTERS[letter]) for letter in steps.split()), window, order, entry
                )
                found = levels(question, LiveSource())
                for place, customer in enumerate(customers):
                    own = sorted(
                        (n for n, happened in known.items() if happened[0] == place),
                        key=first_place.__getitem__,
                    )
                    verdict = judge(
                        [(known[n][1], known[n][2]) for n in own],
                        steps.split(),
                        window=window,
                        order=order,
                        entry=entry,
                    )
                    assert found.get(customer.pk, 0) == verdict.level


def append(happened, customers):
    append_facts(
        [
            NewFact(
                customers[place].pk,
                LETTERS[letter],
                factories.at(0) + timedelta(seconds=second),
                source="shuffled",
                source_key=str(number),
            )
            for place, second, letter, number in happened
        ],
        now=factories.at(1),
    )


@pytest.mark.parametrize("seed", range(4))
def test_facts_read_as_they_lie_become_what_the_database_would_have_sorted(monkeypatch, seed):
    monkeypatch.setattr("analytics.events.refresh.BUCKET_BITS", 2)
    monkeypatch.setattr("analytics.events.facts._PAGES", 1)
    dice = random.Random(seed)
    customers = [factories.make_customer() for _n in range(11)]
    agent, channel = factories.make_agent(), factories.make_channel()
    for number in range(250):
        moment = factories.at(dice.randrange(5)) + timedelta(microseconds=dice.choice([0, 0, 7]))
        known = {"agent_id": agent.pk} if dice.random() < 0.5 else {"channel_id": channel.pk}
        who, kind = dice.choice(customers), dice.choice(["friend_added", "group_joined"])
        factories.make_fact(who, kind, moment, source_key=f"lie{number}", **known)
    # What was taken away leaves holes, and once they are swept newer facts lie in them.
    with transaction.atomic():
        forget_facts(customers[1].pk, now=factories.at(9))
        move_facts(gone=customers[2].pk, kept=customers[3].pk, now=factories.at(9))
    with connection.cursor() as cursor:
        cursor.execute("vacuum crm_fact")
    for number in range(60):
        factories.make_fact(
            customers[0], "group_joined", factories.at(1), source_key=f"new{number}"
        )
    with connection.cursor() as cursor:
        cursor.execute("select id from crm_fact order by ctid")
        lying = [pk for (pk,) in cursor.fetchall()]
    assert lying != sorted(lying)
    snapshot = refresh(everything=True)
    assert len(snapshot.buckets) > 2
    for bucket, columns in zip(snapshot.manifest["buckets"], snapshot.buckets, strict=True):
        low, high = bucket["number"] << 2, (bucket["number"] + 1) << 2
        block = facts.facts_up_to(snapshot.upto, low, high)
        [kinds, dictionaries] = snapshot.dictionaries()
        sorted_there = tabulated(block.events, kinds, dictionaries)
        rows = np.arange(columns.customers)
        for name in ("customers", "at_micros", "kinds"):
            ours, theirs = (getattr(one.events_of(rows), name) for one in (columns, sorted_there))
            assert ours.tolist() == theirs.tolist()
        for name in ("agent", "channel"):
            ours, theirs = (one.events_of(rows).dimensions[name] for one in (columns, sorted_there))
            assert ours.tolist() == theirs.tolist()
    assert snapshot.events == Fact.unsafe_all.count()
    assert snapshot.data_time == Fact.unsafe_all.aggregate(last=Max("recorded_at"))["last"]


def test_a_table_without_facts_makes_a_snapshot_without_events():
    snapshot = refresh(everything=True)
    assert (snapshot.events, snapshot.buckets) == (0, ())
    assert not (snapshot.path / "aside").exists()
