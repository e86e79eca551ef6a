"""Four kinds of customers: published points, one kind each, reasons, and SQL that agrees."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.audiences.models import Audience
from crm.customers.models import Customer
from crm.identity.merging import merge
from crm.personas.keeping import cuts_of, keep_changed, keep_personas
from crm.personas.models import CustomerPersona, PersonaPlan
from crm.personas.scoring import CODES, FEATURES, LEAST, Persona, persona_of, scores_of
from crm.subjects.erasing import erase
from tests.factories import (
    make_agent,
    make_department,
    make_fact,
    make_friend,
    make_group,
    make_membership,
    make_order,
    make_user,
)

NOW = timezone.now().replace(microsecond=0)
counts = st.dictionaries(st.sampled_from(CODES), st.integers(0, 40))


@given(counts=counts, feature=st.sampled_from(FEATURES))
def test_one_more_of_a_feature_moves_its_own_persona_and_no_other(counts, feature):
    before = scores_of(counts)
    after = scores_of(counts | {feature.code: counts.get(feature.code, 0) + 1})
    change = {persona: after[persona] - before[persona] for persona in Persona}
    assert 0 <= change.pop(feature.persona) <= feature.each
    assert set(change.values()) == {0}


@given(counts=counts)
def test_everybody_is_of_one_kind_or_of_none(counts):
    scores, persona = scores_of(counts), persona_of(counts)
    if max(scores.values()) < LEAST:
        assert persona == ""
    else:
        assert scores[Persona(persona)] == max(scores.values())


@pytest.fixture
def agent(db):
    return make_agent()


def liked(friend, times: int, *, days: float = 1) -> None:
    for n in range(times):
        make_fact(friend, "moment_liked", NOW - timedelta(days=days, minutes=n))


def viewed(friend, times: int) -> None:
    for n in range(times):
        make_fact(friend, "route_viewed", NOW - timedelta(days=1 + n % 3, minutes=n))


def kept(friend) -> tuple[str, dict[str, int]]:
    keep_personas(now=NOW)
    row = CustomerPersona.unsafe_all.filter(customer=friend).first()
    return (row.persona, dict(zip(CODES, row.counts, strict=True))) if row else ("", {})


def test_every_feature_is_counted_in_its_year(agent):
    friend, group = make_friend(agent), make_group(agent)
    for cents in (10_000, 20_000, 30_000, 40_000, 50_000):
        make_order(make_friend(agent), amount_cents=cents, paid_at=NOW - timedelta(days=9))
    make_order(friend, amount_cents=60_000_00, paid_at=NOW - timedelta(days=2))
    trip = {"start_on": NOW.date(), "end_on": NOW.date() + timedelta(days=9)}
    make_order(friend, amount_cents=100_000, paid_at=NOW - timedelta(days=2), **trip)  # 100 a day.
    make_order(friend, amount_cents=1, paid_at=NOW - timedelta(days=366))
    liked(friend, 3)
    liked(friend, 1, days=366)
    viewed(friend, 7)
    make_fact(friend, "moment_commented", NOW - timedelta(days=1))
    guest = {"invited_by": friend.external_userid}
    make_membership(group, make_friend(agent), joined_at=NOW - timedelta(days=3), **guest)
    make_membership(group, make_friend(agent), joined_at=NOW - timedelta(days=400), **guest)
    _persona, found = kept(friend)
    assert found == {
        "invited": 1, "commented": 1, "dear": 1, "spent": 12, "cheap": 1, "compared": 3,
        "liked": 3, "viewed": 7,
    }  # fmt: skip


@pytest.mark.django_db
def test_the_statement_decides_as_the_published_rules_do(agent):
    people = [make_friend(agent) for _n in range(12)]
    for n, friend in enumerate(people):
        liked(friend, n % 5 * 2)
        viewed(friend, n * 2)
        for _m in range(n % 4):
            make_fact(friend, "moment_commented", NOW - timedelta(hours=n + _m))
        if n % 3 == 0:
            make_order(friend, amount_cents=50_000 * (n + 1), paid_at=NOW - timedelta(days=3))
    keep_personas(now=NOW)
    rows = CustomerPersona.unsafe_all.all()
    assert {row.persona for row in rows} >= {"", "fan"}
    for row in rows:
        assert row.persona == persona_of(dict(zip(CODES, row.counts, strict=True)))


def test_moving_one_feature_moves_the_customer(agent):
    friend = make_friend(agent)
    liked(friend, 4)
    assert kept(friend)[0] == ""
    liked(friend, 1, days=2)
    assert kept(friend)[0] == "fan"
    for n in range(4):
        make_fact(friend, "moment_commented", NOW - timedelta(hours=n))
    assert kept(friend)[0] == "sharer"


def test_what_just_happened_counts_within_minutes_and_old_things_fade(agent):
    friend, other = make_friend(agent), make_friend(agent)
    liked(other, 6, days=364.9)
    keep_personas(now=NOW)
    liked(friend, 6, days=0)
    assert keep_changed(now=NOW + timedelta(minutes=1), since=NOW - timedelta(minutes=30)) == 1
    rows = dict(CustomerPersona.unsafe_all.values_list("customer_id", "persona"))
    assert rows == {friend.pk: "fan", other.pk: "fan"}
    keep_personas(now=NOW + timedelta(days=1))
    assert list(CustomerPersona.unsafe_all.values_list("customer_id", flat=True)) == [friend.pk]


def test_the_first_look_is_at_everybody_and_an_older_one_overtakes_nobody(agent):
    friend = make_friend(agent)
    liked(friend, 6, days=90)
    since = NOW - timedelta(minutes=30)
    assert keep_changed(now=NOW, since=since) == 1
    liked(friend, 1, days=0)
    keep_personas(now=NOW + timedelta(minutes=2), customer_ids=[friend.pk])
    keep_personas(now=NOW - timedelta(minutes=5))  # Began earlier, ends later.
    row = CustomerPersona.unsafe_all.get()
    assert dict(zip(CODES, row.counts, strict=True))["liked"] == 7


def test_prices_are_the_same_all_day_and_old_ones_go(agent):
    make_order(make_friend(agent), amount_cents=5_000, paid_at=NOW - timedelta(days=2))
    first = cuts_of(NOW)
    make_order(make_friend(agent), amount_cents=9_000_00, paid_at=NOW - timedelta(days=2))
    assert cuts_of(NOW) == first
    keep_personas(now=NOW)
    keep_personas(now=NOW + timedelta(days=1))
    assert not type(first).objects.filter(pk=first.pk).exists()


def test_pages_count_list_and_hand_over_the_same_people(client, agent):
    team = make_department(parent=make_department())
    foreign = make_friend(make_agent())
    agent.department = team
    agent.save()
    mine = [make_friend(agent) for _n in range(3)]
    for friend in (*mine[:2], foreign):
        liked(friend, 6)
    keep_personas(now=NOW)
    PersonaPlan.objects.create(persona="fan", approach="多发风景，少推价格", topic="种草")
    client.force_login(make_user(Role.LEAD, departments=[team]))
    page = client.get(reverse("crm:personas:list"))
    kinds = {kind.code: kind.count for kind in page.context["kinds"]}
    assert kinds == {"sharer": 0, "quality": 0, "shopper": 0, "fan": 2, "none": 1}
    for code, count in kinds.items():
        people = client.get(reverse("crm:personas:people", args=[code]))
        assert people.context["page"].total == count
    file = client.get(reverse("crm:personas:export", args=["fan"]))
    assert len(b"".join(file.streaming_content).decode().splitlines()) == 3
    client.post(reverse("crm:personas:save", args=["fan"]))
    audience = Audience.unsafe_all.get()
    assert set(audience.members.values_list("customer_id", flat=True)) == {m.pk for m in mine[:2]}
    assert client.get(reverse("crm:personas:people", args=["gone"])).status_code == 404
    card = client.get(reverse("crm:personas:card", args=[mine[0].pk])).content.decode()
    assert "深粉种草党" in card and "多发风景" in card and "topic=" in card
    column = client.get(reverse("crm:customers:list"), {"col": "persona"}).content.decode()
    assert column.count("深粉种草党") == 2
    assert client.get(reverse("crm:personas:card", args=[foreign.pk])).status_code == 404


def test_two_who_become_one_have_one_kind(agent):
    friend = make_friend(agent, customer_no=None)
    filed = Customer.unsafe_all.create(name="档案", customer_no="C1")
    for one in (friend, filed):
        liked(one, 6)
    keep_personas(now=NOW)
    merge(friend.pk, filed.pk, now=NOW)
    assert CustomerPersona.unsafe_all.get().customer == friend
    friend.contacts.update(status="deleted_by_agent", ended_at=NOW)
    erase(friend.pk, now=NOW)
    assert not CustomerPersona.unsafe_all.exists()
