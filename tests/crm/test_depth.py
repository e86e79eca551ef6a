"""The relationship index: published points for dated events, each of which opens."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.depth.queries import depth_of, talk_of
from crm.depth.scoring import HIGHEST, RULES, index_of, points
from crm.shared.times import local_day
from tests.factories import make_agent, make_fact, make_friend, make_user

NOW = timezone.now().replace(microsecond=0)
codes = st.sampled_from([rule.code for rule in RULES])


@pytest.fixture
def agent(db):
    return make_agent()


@pytest.fixture
def friend(agent):
    return make_friend(agent)


def happened(friend, kind: str, *, days: float, **given):
    return make_fact(friend, kind, NOW - timedelta(days=days), **given)


def test_the_highest_index_is_what_the_rules_can_give():
    assert sum(rule.most for rule in RULES if rule.points > 0) == HIGHEST


@given(counts=st.dictionaries(codes, st.integers(0, 500)), code=codes)
def test_the_index_stays_in_bounds_and_one_more_moves_it_as_published(counts, code):
    before = index_of(counts)
    rule = next(rule for rule in RULES if rule.code == code)
    after = index_of(counts | {code: counts.get(code, 0) + 1})
    assert 0 <= before <= HIGHEST
    change = after - before
    assert 0 <= change <= rule.points if rule.points > 0 else rule.points <= change <= 0
    assert abs(points(rule, counts.get(code, 0))) <= abs(rule.most)


def test_days_and_times_are_counted_as_published_and_only_within_the_year(agent, friend):
    for n in range(3):  # Three words on one day are one day.
        happened(friend, "message_received", days=2 + n / 1000, agent_id=agent.pk)
    happened(friend, "message_received", days=9, agent_id=agent.pk)
    happened(friend, "order_paid", days=364)
    happened(friend, "order_paid", days=366)
    happened(friend, "friend_deleted_by_customer", days=-1)  # Not yet.
    depth = depth_of(friend, as_of=NOW)
    given = {line.rule.code: (line.count, line.points) for line in depth.lines if line.count}
    assert given == {"talk": (2, 2), "orders": (1, 10)}
    assert depth.index == 12
    assert depth_of(friend, as_of=NOW + timedelta(days=2)).index == 0  # Ended, and out of the year.
    assert depth_of(friend, as_of=NOW - timedelta(days=5)).index == 21


def test_who_begins_is_told_from_who_answers(agent, friend):
    other = make_agent()
    said = (
        ("message_sent", 48, agent, {}), ("message_received", 47, agent, {}),
        ("message_sent", 46.5, agent, {}), ("message_received", 20, agent, {}),
        ("message_received", 19, other, {}), ("message_sent", 10, agent, {"machine": True}),
        ("message_sent", 9, agent, {}),
    )  # fmt: skip
    for kind, hours, who, properties in said:
        happened(friend, kind, days=hours / 24, agent_id=who.pk, properties=properties)
    talk = talk_of(friend, as_of=NOW)
    assert (talk.from_customer, talk.from_staff) == (3, 3)
    assert (talk.begun_by_customer, talk.begun_by_staff) == (2, 2)


@pytest.mark.django_db
def test_every_point_opens_its_events(client, agent, friend):
    happened(friend, "order_paid", days=3)
    happened(friend, "order_paid", days=200)
    happened(friend, "moment_liked", days=1, agent_id=agent.pk)
    client.force_login(make_user(Role.OPERATOR))
    url = reverse("crm:depth:detail", args=[friend.pk])
    page = client.get(url)
    for line in page.context["depth"].lines:
        if line.count:
            opened = client.get(url, {"rule": line.rule.code})
            assert opened.context["entries"].total == line.count
    past = client.get(url, {"rule": "orders", "as_of": str(local_day(NOW - timedelta(days=9)))})
    assert past.context["entries"].total == 1
    for rubbish in ("2026-13-45", "x", "2999-01-01"):
        assert client.get(url, {"as_of": rubbish, "rule": rubbish}).status_code == 200
    card = client.get(reverse("crm:depth:card", args=[friend.pk])).content.decode()
    assert "+20" in card
