"""Whom to turn to next: each reason once, in the order of the published score."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm.agents.access import Role
from crm.followup import actions, finding, queries
from crm.followup.actions import FollowUpRefused
from crm.followup.models import FollowUp
from crm.followup.scoring import WEIGHTS, score, scored
from crm.outreach.models import OptOut
from tests.factories import make_agent, make_fact, make_friend, make_order, make_user

pytestmark = pytest.mark.django_db
Reason, State = FollowUp.Reason, FollowUp.State
NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)  # Noon in Shanghai, a Friday.


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def find(now: datetime = NOW) -> set[str]:
    """Look for reasons; those that are open afterwards."""
    finding.find_reasons(now=now)
    return set(FollowUp.unsafe_all.open().values_list("reason", flat=True))


@pytest.fixture
def agent():
    return make_agent()


@pytest.fixture
def friend(agent):
    """A friend of long ago."""
    return make_friend(agent, added_at=ago(days=200))


def test_a_question_without_an_answer_is_named_until_it_is_answered(friend, agent):
    make_fact(friend, "message_received", ago(hours=5), agent_id=agent.pk)
    make_fact(friend, "message_received", ago(hours=4), agent_id=agent.pk)
    assert find() == {Reason.UNANSWERED}
    item = FollowUp.unsafe_all.get()
    assert (item.agent, item.happened_at, item.due_at) == (agent, ago(hours=5), ago(hours=4))
    make_fact(friend, "message_sent", ago(minutes=1), agent_id=agent.pk)
    assert find() == set()
    assert FollowUp.unsafe_all.get().state == State.SETTLED
    make_fact(friend, "message_received", NOW + timedelta(hours=1), agent_id=agent.pk)
    assert find(NOW + timedelta(hours=2)) == {Reason.UNANSWERED}


def test_a_new_friend_is_greeted_by_whom_they_added(agent):
    make_friend(agent, added_at=ago(hours=5))
    greeted = make_friend(agent, added_at=ago(hours=5))
    make_fact(greeted, "message_sent", ago(hours=4), agent_id=agent.pk)
    make_friend(agent, added_at=ago(days=4))
    assert find() == {Reason.FIRST_TOUCH}
    assert FollowUp.unsafe_all.count() == 1


def test_before_and_after_a_journey_and_after_an_order(friend):
    paid = {"status": "paid", "paid_at": ago(days=40)}
    make_order(friend, **paid, start_on=date(2026, 11, 23), end_on=date(2026, 11, 30))
    make_order(friend, **paid, start_on=date(2026, 11, 10), end_on=date(2026, 11, 18))
    make_order(friend, status="paid", paid_at=ago(days=2))
    make_order(friend, status="cancelled", paid_at=None, start_on=date(2026, 11, 22))
    assert find() == {Reason.DEPARTURE, Reason.RETURNED, Reason.AFTER_ORDER}
    due = dict(FollowUp.unsafe_all.values_list("reason", "due_at"))
    assert due[Reason.DEPARTURE] == datetime(2026, 11, 20, 1, tzinfo=UTC)
    assert due[Reason.RETURNED] == datetime(2026, 11, 19, 2, tzinfo=UTC)
    assert due[Reason.AFTER_ORDER] == ago(days=1)


def test_two_looks_at_a_route_are_a_need_and_one_is_not(friend, agent):
    make_fact(friend, "route_viewed", ago(days=2))
    assert find() == set()
    make_fact(friend, "route_viewed", ago(hours=3))
    assert find() == {Reason.NEED}
    make_fact(friend, "message_sent", ago(minutes=1), agent_id=agent.pk)
    assert find() == set()


@pytest.mark.parametrize(
    ("birthday", "today", "named"),
    [
        (date(1970, 11, 20), NOW, True),
        (date(1970, 11, 23), NOW, True),
        (date(1970, 11, 24), NOW, False),
        (date(1970, 11, 19), NOW, False),
        (date(1972, 2, 29), datetime(2027, 2, 27, 4, tzinfo=UTC), True),
        (date(1972, 2, 29), datetime(2028, 2, 25, 4, tzinfo=UTC), False),
        (date(1972, 2, 29), datetime(2028, 2, 29, 4, tzinfo=UTC), True),
        (date(1970, 1, 1), datetime(2026, 12, 31, 4, tzinfo=UTC), True),
    ],
)
def test_a_birthday_is_named_three_days_ahead_in_leap_years_too(agent, birthday, today, named):
    make_friend(agent, added_at=today - timedelta(days=200), birthday=birthday)
    assert (find(today) == {Reason.BIRTHDAY}) == named


def in_years(years: int, *, days: int = 0) -> datetime:
    return NOW.replace(year=NOW.year + years) - timedelta(days=days)


def test_years_since_the_first_order_and_since_becoming_friends_are_named(agent):
    friend = make_friend(agent, added_at=NOW - timedelta(days=30))
    for days in (10, 5):  # The later order has no day of its own.
        make_order(friend, paid_at=NOW - timedelta(days=days))
    assert find(in_years(1, days=34)) == set()
    assert find(in_years(1, days=33)) == {Reason.ANNIVERSARY}
    assert find(in_years(1, days=14)) == set()
    assert find(in_years(1, days=13)) == {Reason.FIRST_ORDER}
    named = FollowUp.unsafe_all.filter(reason=Reason.FIRST_ORDER)
    assert find(in_years(1, days=12)) >= {Reason.FIRST_ORDER}
    assert named.count() == 1
    find(in_years(2, days=11))
    assert named.count() == 2


def test_of_several_reasons_for_one_day_one_is_named(agent):
    friend = make_friend(agent, added_at=NOW, birthday=NOW.date().replace(year=1970))
    make_order(friend, paid_at=NOW)
    other = make_friend(agent, added_at=NOW)
    make_order(other, paid_at=NOW)
    days = (Reason.BIRTHDAY, Reason.FIRST_ORDER, Reason.ANNIVERSARY)
    find(in_years(1, days=1))
    named = FollowUp.unsafe_all.filter(reason__in=days)
    assert [row.reason for row in named.filter(customer=friend)] == [Reason.BIRTHDAY]
    assert [row.reason for row in named.filter(customer=other)] == [Reason.FIRST_ORDER]


@pytest.mark.parametrize(
    ("added", "today", "is_named"),
    [
        (datetime(2024, 2, 29, 4, tzinfo=UTC), datetime(2027, 2, 28, 4, tzinfo=UTC), True),
        (datetime(2024, 2, 29, 4, tzinfo=UTC), datetime(2028, 2, 28, 4, tzinfo=UTC), True),
        # The local day counts: it was the 21st there already.
        (datetime(2025, 11, 20, 17, tzinfo=UTC), datetime(2026, 11, 17, 4, tzinfo=UTC), False),
        (datetime(2025, 11, 20, 17, tzinfo=UTC), datetime(2026, 11, 18, 4, tzinfo=UTC), True),
    ],
)
def test_years_are_counted_in_local_days_and_through_leap_years(agent, added, today, is_named):
    make_friend(agent, added_at=added)
    assert (Reason.ANNIVERSARY in find(today)) == is_named


def test_old_customers_gone_quiet_are_named_once_a_quarter(friend):
    type(friend).unsafe_all.filter(pk=friend.pk).update(stage="fatigue", order_count=2)
    assert find() == {Reason.QUIET}
    actions.complete(item_id=FollowUp.unsafe_all.get().pk, by=make_user(Role.LEAD), now=NOW)
    assert find(NOW + timedelta(days=30)) == set()
    assert find(datetime(2027, 1, 2, tzinfo=UTC)) == {Reason.QUIET}


def test_who_wants_no_marketing_is_left_in_peace_but_answered(friend, agent):
    make_fact(friend, "route_viewed", ago(days=2))
    make_fact(friend, "route_viewed", ago(hours=3))
    assert find() == {Reason.NEED}
    OptOut.unsafe_all.create(customer=friend, since=NOW)
    make_fact(friend, "message_received", ago(hours=2), agent_id=agent.pk)
    assert find() == {Reason.UNANSWERED}


def test_the_agent_who_talked_last_is_asked_and_one_who_left_is_not(friend, agent):
    other = make_agent()
    friend.contacts.create(agent=other, status="active", added_at=ago(days=100))
    make_fact(friend, "message_sent", ago(days=90), agent_id=agent.pk)
    make_order(friend, status="paid", paid_at=ago(days=2))
    find()
    assert FollowUp.unsafe_all.get().agent == agent
    FollowUp.unsafe_all.all().delete()
    type(agent).unsafe_all.filter(pk=agent.pk).update(status="left")
    find()
    assert FollowUp.unsafe_all.get().agent == other


def test_what_was_done_or_skipped_does_not_come_back(friend):
    make_order(friend, status="paid", paid_at=ago(days=2))
    find()
    item = FollowUp.unsafe_all.get()
    user = make_user(Role.LEAD)
    with pytest.raises(FollowUpRefused) as refused:
        actions.skip(item_id=item.pk, reason=" ", by=user, now=NOW)
    assert refused.value.field == "reason"
    actions.skip(item_id=item.pk, reason="刚见过面", by=user, now=NOW)
    assert find() == set()
    with pytest.raises(FollowUpRefused):
        actions.complete(item_id=item.pk, by=user, now=NOW)


def test_what_is_put_off_comes_back_on_its_day(friend, client):
    make_order(friend, status="paid", paid_at=ago(days=2))
    find()
    operator = make_user(Role.OPERATOR)
    item = FollowUp.unsafe_all.get()
    actions.snooze(item_id=item.pk, days=3, by=operator, now=NOW)
    names = {part.name: part.total for part in queries.queue(operator, now=NOW)}
    assert names == {"overdue": 0, "today": 0, "later": 1}
    later = queries.queue(operator, now=NOW + timedelta(days=3, minutes=1))
    assert later[0].rows == [item]
    with pytest.raises(FollowUpRefused):
        actions.snooze(item_id=item.pk, days=400, by=operator, now=NOW)


def test_overdue_items_rise(agent):
    fresh = make_friend(agent, added_at=ago(hours=3))
    asked = make_friend(agent, added_at=ago(days=200))
    make_order(asked, status="paid", paid_at=ago(hours=23))
    find()
    operator = make_user(Role.OPERATOR)

    def order(now):
        rows = scored(FollowUp.objects.for_user(operator).open(), now=now)
        return [row.reason for row in rows]

    assert FollowUp.unsafe_all.filter(customer=fresh).exists()
    assert order(NOW) == [Reason.FIRST_TOUCH, Reason.AFTER_ORDER]
    FollowUp.unsafe_all.filter(reason=Reason.AFTER_ORDER).update(due_at=ago(hours=40))
    assert order(NOW) == [Reason.AFTER_ORDER, Reason.FIRST_TOUCH]


class TestScore(TestCase):
    @given(
        items=st.lists(
            st.tuples(st.sampled_from(list(WEIGHTS)), st.integers(-300, 4_000), st.booleans()),
            max_size=8,
        )
    )
    def test_the_database_scores_as_it_was_published(self, items):
        agent = make_agent()
        for number, (reason, minutes, paid) in enumerate(items):
            FollowUp.unsafe_all.create(
                customer=make_friend(agent, order_count=int(paid)),
                agent=agent,
                reason=reason,
                key=str(number),
                weight=WEIGHTS[reason],
                happened_at=NOW,
                due_at=NOW - timedelta(minutes=minutes),
                raised_at=NOW,
            )
        rows = list(scored(FollowUp.unsafe_all.open().select_related("customer"), now=NOW))
        for row in rows:
            has_paid = bool(row.customer.order_count)
            expected = score(weight=row.weight, due_at=row.due_at, has_paid=has_paid, now=NOW)
            assert row.score == expected
        assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)


# Pages


@pytest.fixture
def waiting(friend, agent):
    now = timezone.now()
    make_fact(friend, "message_received", now - timedelta(hours=3), agent_id=agent.pk)
    finding.find_reasons(now=now)
    return FollowUp.unsafe_all.get()


def test_an_agent_works_through_their_own_queue(client, waiting, agent, friend):
    user = make_user(Role.AGENT)
    user.agent = agent
    user.save()
    client.force_login(user)
    page = client.get(reverse("crm:followup:queue")).content.decode()
    assert friend.name in page
    fragment = client.get(reverse("crm:followup:next", args=[friend.pk])).content.decode()
    assert reverse("crm:followup:complete", args=[waiting.pk]) in fragment
    client.post(reverse("crm:followup:complete", args=[waiting.pk]))
    assert FollowUp.unsafe_all.get().state == State.DONE
    assert friend.name not in client.get(reverse("crm:followup:queue")).content.decode()
    stranger = make_user(Role.AGENT)
    stranger.agent = make_agent()
    stranger.save()
    client.force_login(stranger)
    for name in ("complete", "skip", "snooze"):
        assert client.post(reverse(f"crm:followup:{name}", args=[waiting.pk])).status_code == 404


def test_the_file_holds_the_queue_in_its_order(client, waiting, friend):
    client.force_login(make_user(Role.OPERATOR))
    answer = client.get(reverse("crm:followup:export"))
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert friend.name in lines[1]


def test_who_is_left_in_peace_is_said_on_the_profile(client, friend):
    client.force_login(make_user(Role.OPERATOR))
    url = reverse("crm:followup:next", args=[friend.pk])
    assert "安静就好" in client.get(url).content.decode()
    OptOut.unsafe_all.create(customer=friend, since=timezone.now())
    assert "拒收营销" in client.get(url).content.decode()
    assert url in client.get(reverse("crm:customers:profile", args=[friend.pk])).content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_raise_each_reason_once(friend, agent):
    make_fact(friend, "message_received", ago(hours=5), agent_id=agent.pk)
    make_order(friend, status="paid", paid_at=ago(days=2))
    ready, raised = threading.Barrier(4), []

    def sweep() -> None:
        try:
            ready.wait()
            raised.append(finding.find_reasons(now=NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=sweep) for _n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(raised) == FollowUp.unsafe_all.count() == 2
