"""Who waits for an answer, as triggers keep it: equal to what the facts say, in whatever order."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.customers.queries import CustomerFilter, customer_page, waiting_people
from crm.customers.talks import Talk
from crm.timeline.actions import NewFact, append_facts, forget_facts, move_facts
from crm.timeline.models import Fact
from crm.timeline.queries import KIND_IDS
from tests import factories
from tests.waiting import eventually, somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db
RECEIVED, SENT = "message_received", "message_sent"


def told() -> dict:
    """What the rows say."""
    return {
        (row.customer_id, row.agent_id): (row.received_at, row.sent_at, row.unanswered_since)
        for row in Talk.unsafe_all.all()
    }


def meant() -> dict:
    """What the facts mean, counted the slow way."""
    pairs: dict = {}
    for fact in Fact.unsafe_all.filter(kind__code__in=(RECEIVED, SENT), agent__isnull=False):
        both = pairs.setdefault((fact.customer_id, fact.agent_id), ([], []))
        both[fact.kind_id == KIND_IDS[SENT]].append(fact.at)
    found = {}
    for pair, (received, sent) in pairs.items():
        last = max(sent, default=None)
        unanswered = [at for at in received if last is None or at > last]
        found[pair] = (max(received, default=None), last, min(unanswered, default=None))
    return found


words = st.tuples(
    st.integers(0, 2),  # customer
    st.integers(0, 2),  # agent; 2 is none
    st.sampled_from([RECEIVED, RECEIVED, SENT, "order_paid"]),
    st.integers(0, 6),  # hour: ties are common
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(log=st.lists(words, max_size=25), sizes=st.randoms(use_true_random=False))
def test_rows_equal_the_facts_in_whatever_order_they_come_and_go(db, log, sizes):
    with transaction.atomic():
        people = [factories.make_customer() for _n in range(3)]
        agents = [factories.make_agent().pk, factories.make_agent().pk, None]
        facts = [
            NewFact(
                people[who].pk,
                kind,
                factories.at(hour / 24),
                source="test",
                source_key=f"talk{n}",
                agent_id=agents[agent],
            )
            for n, (who, agent, kind, hour) in enumerate(log)
        ]
        while facts:
            size = sizes.choice((1, 2, 9))
            append_facts(facts[:size], now=factories.START)
            facts = facts[size:]
            assert told() == meant()
        move_facts(gone=people[0].pk, kept=people[1].pk, now=factories.START)
        assert told() == meant()
        forget_facts(people[1].pk, now=factories.START)
        assert told() == meant()
        assert all(pair[0] == people[2].pk for pair in told())
        transaction.set_rollback(True)


def test_words_of_a_week_are_waited_for_and_counted_from_then(db):
    now = timezone.now()
    manager = factories.make_user(Role.MANAGER, departments=[factories.make_department()])
    agent = factories.make_agent(department=manager.departments.get())
    friend, silent = factories.make_friend(agent), factories.make_friend(agent)
    for days in (9, 8, 3, 1):
        factories.make_fact(friend, RECEIVED, now - timedelta(days=days), agent_id=agent.pk)
    factories.make_fact(silent, RECEIVED, now - timedelta(days=8), agent_id=agent.pk)
    count, [row] = waiting_people(manager, limit=5)
    assert (count, row.id, row.messages) == (1, friend.pk, 2)
    assert row.since == now - timedelta(days=3)
    listed = customer_page(manager, CustomerFilter(waiting=True), sort="-added", params={})
    assert [row.id for row in listed] == [friend.pk]
    factories.make_fact(friend, SENT, now, agent_id=agent.pk)
    assert waiting_people(manager, limit=5) == (0, [])


def test_who_is_no_friend_any_more_is_not_waited_for(db):
    manager = factories.make_user(Role.MANAGER, departments=[factories.make_department()])
    agent = factories.make_agent(department=manager.departments.get())
    friend = factories.make_friend(agent)
    factories.make_fact(friend, RECEIVED, timezone.now(), agent_id=agent.pk)
    assert waiting_people(manager, limit=5)[0] == 1
    friend.contacts.update(status="deleted_by_customer", ended_at=timezone.now())
    assert waiting_people(manager, limit=5)[0] == 0
    assert customer_page(manager, CustomerFilter(waiting=True), sort="-added", params={}).total == 0


def test_a_lead_sees_who_waits_for_the_own_team_only(db):
    company = factories.make_department()
    ours, theirs = (factories.make_department(parent=company) for _n in range(2))
    friends = []
    for team in (ours, theirs):
        agent = factories.make_agent(department=team)
        friends.append(factories.make_friend(agent))
        factories.make_fact(friends[-1], RECEIVED, timezone.now(), agent_id=agent.pk)
    lead = factories.make_user(Role.LEAD, departments=[ours])
    listed = customer_page(lead, CustomerFilter(waiting=True), sort="-added", params={})
    assert [row.id for row in listed] == [friends[0].pk]


_INSERT = """
insert into crm_fact (customer_id, agent_id, kind_id, at, recorded_at, source, source_key,
                      properties)
values (%s, %s, %s, %s, now(), 'race', %s, '{}')
"""


def _answered(friend, agent) -> tuple:
    return _INSERT, [friend.pk, agent.pk, KIND_IDS[SENT], factories.at(2), "quick"]


def _answer_gone(friend, _agent) -> tuple:
    statement = "delete from crm_fact where customer_id = %s and kind_id = %s"
    return statement, [friend.pk, KIND_IDS[SENT]]


def _at_once(friend, agent, then) -> None:
    """A question, and what another transaction does that cannot see it yet."""
    slow = connection.copy().cursor()
    slow.execute("begin")
    slow.execute(_INSERT, [friend.pk, agent.pk, KIND_IDS[RECEIVED], factories.at(1), "slow"])

    def do() -> None:
        with connection.cursor() as cursor:
            cursor.execute(*then(friend, agent))
        connection.close()

    other = threading.Thread(target=do)
    other.start()
    eventually(lambda: not other.is_alive() or somebody_waits_for_a_lock())
    slow.execute("commit")
    other.join()
    slow.connection.close()


@pytest.fixture
def pair(transactional_db):
    agent = factories.make_agent()
    friend = factories.make_friend(agent)
    factories.make_fact(friend, SENT, 0, agent_id=agent.pk)
    return friend, agent


@pytest.mark.parametrize("then", [_answered, _answer_gone])
@pytest.mark.django_db(transaction=True)
def test_what_two_write_at_once_is_seen_of_both(pair, then):
    _at_once(*pair, then)
    assert told() == meant()


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_one_of_them_is_missed(pair):
    standing = "alter table crm_fact {} trigger standing_facts_went"
    with connection.cursor() as cursor:
        cursor.execute("select pg_get_functiondef('crm_talks_refold'::regproc)")
        guarded = cursor.fetchone()[0]
        assert "for update of t" in guarded
        cursor.execute(guarded.replace("for update of t", ""))
        # The standing figures hold the customer too; this is about the pair alone.
        cursor.execute(standing.format("disable"))
    try:
        _at_once(*pair, _answer_gone)
        assert told() != meant()
    finally:
        with connection.cursor() as cursor:
            cursor.execute(guarded)
            cursor.execute(standing.format("enable"))


@pytest.mark.django_db
def test_who_waits_is_listed_to_nobody_who_sees_no_customers():
    agent = factories.make_agent()
    factories.make_fact(factories.make_friend(agent), RECEIVED, timezone.now(), agent_id=agent.pk)
    for role, seen in ((Role.OPERATOR, 1), (Role.ADMIN, 0), (Role.LEAD, 0)):
        user = factories.make_user(role)
        page = customer_page(user, CustomerFilter(waiting=True), sort="-added", params={})
        assert page.total == seen, role
