"""A segment asked of a past instant finds who answered then, whatever has happened since."""

import json
import re
from datetime import timedelta
from html import unescape
from io import StringIO
from itertools import count

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from analytics.segments import studying
from analytics.segments.actions import freeze_segment
from analytics.segments.history import ContactPast, CustomerPast, MembershipPast, OrderPast
from analytics.segments.models import Segment, SegmentVersion
from analytics.segments.parsing import rule_from
from analytics.segments.past import Instant
from analytics.segments.queries import answer_then
from crm.agents.access import Role
from crm.catalog.actions import refresh_order_totals
from crm.catalog.models import Order
from crm.customers.derived import refresh_customers
from crm.customers.models import Contact, Customer
from crm.groups.models import Membership
from crm.outreach.models import OptOut
from crm.shared.times import local_day
from crm.timeline.actions import NewFact, append_facts
from tests import factories
from tests.analytics.segment_oracle import answers
from tests.analytics.segment_world import NOW, PLACES, World

pytestmark = pytest.mark.django_db
_keys = count()
THEN = Instant(NOW, as_known=True)


class LivedWorld(World):
    """A world whose rows agree with each other, as the product keeps them."""

    written_at = NOW - timedelta(hours=1)

    def fact(self, customer: Customer) -> None:
        """Told late or not: what is written after NOW was not known then."""
        kind = self.dice.choice(["route_viewed", "message_received", "message_sent"])
        at = NOW - timedelta(minutes=self.dice.randrange(20 * 1440))
        properties = {"destination": self.dice.choice(PLACES)} if kind == "route_viewed" else {}
        told = NewFact(
            customer.pk, kind, at, source="test", source_key=str(next(_keys)), properties=properties
        )
        append_facts([told], now=self.written_at)

    def relate(self, customer: Customer) -> None:
        super().relate(customer)
        for contact in customer.contacts.all():
            contact.tags.set(self.dice.sample(self.tags, self.dice.randrange(3)))
        self.agree(customer.pk)

    def agree(self, pk: int) -> None:
        refresh_customers([pk], now=NOW)
        refresh_order_totals([pk], now=NOW)

    def change(self) -> None:
        super().change()
        for contact in Contact.unsafe_all.filter(customer=self.dice.choice(self.ids)):
            contact.tags.set(self.dice.sample(self.tags, self.dice.randrange(3)))
        for pk in self.ids:
            self.agree(pk)

    def was_written_before(self, instant) -> None:
        """Everything so far is old news."""
        for model in (Customer, Contact, Membership, Order):
            model.unsafe_all.update(created_at=instant)
        for model in (CustomerPast, ContactPast, MembershipPast, OrderPast):
            model.objects.all().delete()
        self.written_at = NOW + timedelta(hours=1)


@pytest.fixture
def world():
    world = LivedWorld(seed=7, people=40)
    base = Segment.unsafe_all.create(
        name="有标签", rule={"all": [{"tags": "any", "ids": [world.tags[0]]}]}
    )
    SegmentVersion.objects.create(segment=base, number=1, rule=base.rule, saved_at=NOW)
    world.segments = {base.pk: base.rule}
    world.was_written_before(NOW - timedelta(hours=1))
    return world


def found(rule: dict, instant: Instant) -> list[int]:
    return list(answer_then(rule_from(rule), user=None, instant=instant).bits)


def test_a_list_of_then_comes_again_whatever_has_happened_since(world):
    people = world.people()
    rules = [world.rule() for _n in range(150)]
    expected = [
        [who["id"] for who in people if answers(rule, who, world.as_oracle())] for rule in rules
    ]
    for _n in range(40):
        world.change()
    Segment.unsafe_all.update(rule={"all": []})
    for rule, ids in zip(rules, expected, strict=True):
        assert found(rule, THEN) == ids, json.dumps(rule, ensure_ascii=False)
    assert len({len(ids) for ids in expected}) > 20


def test_the_twin_without_kept_states_gives_other_lists(world):
    people = world.people()
    rules = [world.rule() for _n in range(60)]
    expected = [
        [who["id"] for who in people if answers(rule, who, world.as_oracle())] for rule in rules
    ]
    for _n in range(20):
        world.change()
    CustomerPast.objects.all().delete()
    assert [found(rule, THEN) for rule in rules] != expected


def test_a_late_fact_counts_on_its_day_by_today_and_not_by_what_was_known(world):
    customer = factories.make_customer(known_since=NOW - timedelta(days=90))
    Customer.unsafe_all.filter(pk=customer.pk).update(created_at=NOW - timedelta(days=90))
    asked_at = NOW - timedelta(days=3)
    told = NewFact(customer.pk, "route_viewed", asked_at, source="test", source_key="late")
    append_facts([told], now=NOW + timedelta(days=1))
    rule = {"fact": "route_viewed", "days": 7, "at_least": 1}
    assert customer.pk in found(rule, Instant(NOW))
    assert customer.pk not in found(rule, THEN)
    assert customer.pk not in found(rule, Instant(NOW - timedelta(days=4)))


def test_a_friend_who_left_and_money_that_was_given_back_were_there_before(client):
    agent = factories.make_agent()
    friend = factories.make_friend(agent, added_at=NOW - timedelta(days=20))
    Contact.unsafe_all.update(status="deleted_by_customer", ended_at=NOW - timedelta(days=2))
    order = factories.make_order(friend, paid_at=NOW - timedelta(days=9), status="refunded")
    factories.make_fact(friend, "order_refunded", NOW - timedelta(days=5), order_id=order.pk)
    refresh_customers([friend.pk], now=NOW)
    refresh_order_totals([friend.pk], now=NOW)
    is_friend, paid = {"field": "friend", "in": ["friend"]}, {"field": "orders", "from": 1}
    of_agent = {"agent": [agent.pk]}

    def days_ago(rule: dict, days: int) -> bool:
        return found(rule, Instant(NOW - timedelta(days=days))) == [friend.pk]

    asked = {name: [days_ago(rule, days) for days in (30, 10, 8, 4, 1)] for name, rule in [
        ("friend", is_friend), ("agent", of_agent), ("paid", paid)]}  # fmt: skip
    assert asked == {
        "friend": [False, True, True, True, False],
        "agent": [False, True, True, True, False],
        "paid": [False, False, True, False, False],
    }


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def test_the_page_tells_who_came_and_who_went_and_opens_them(client, operator):
    now, tag = timezone.now(), factories.make_tag().pk
    old, both, new = (
        factories.make_customer(tag_ids=ids, known_since=now - timedelta(days=90))
        for ids in ([tag], [tag], [])
    )
    Customer.unsafe_all.filter(pk=old.pk).update(tag_ids=[])
    Customer.unsafe_all.filter(pk=new.pk).update(tag_ids=[tag])
    CustomerPast.objects.update(until=now - timedelta(days=3))
    segment = Segment.unsafe_all.create(name="有标签", rule={"tags": "any", "ids": [tag]})
    url = reverse("analytics:segments:over_time", args=[segment.pk])
    days = {"from": local_day(now - timedelta(days=9)), "to": local_day(now)}
    page = client.get(url, days).content.decode()
    links = re.findall(r'data-figure="(\d+)" href="([^"]+)"', page)
    people = {"stayed": both, "came": new, "went": old}
    for (value, href), part in zip(links[2:], people, strict=True):
        listed = client.get(unescape(href)).content.decode()
        assert value == "1"
        assert f"part={part}" in href
        assert reverse("crm:customers:profile", args=[people[part].pk]) in listed


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-11-02", "2026-11-01"), ("2026-11-01", "2999-01-01"), ("1200-01-01", "2026-01-01"),
     ("x", "2026-01-01")],
)  # fmt: skip
def test_days_that_cannot_be_asked_are_refused_beside_their_field(client, operator, since, until):
    segment = Segment.unsafe_all.create(name="所有人", rule={"all": []})
    url = reverse("analytics:segments:over_time", args=[segment.pk])
    answer = client.get(url, {"from": since, "to": until})
    assert answer.status_code == 422
    assert b"data-error-summary" in answer.content


def test_an_audience_says_whom_a_send_reaches_what_it_shares_and_that_it_comes_again(
    client, operator
):
    agent, now = factories.make_agent(), timezone.now()
    friends = [factories.make_friend(agent) for _n in range(4)]
    gone = factories.make_friend(factories.make_agent(status="left"))
    factories.make_customer()
    OptOut.unsafe_all.create(customer=friends[0], since=now)
    everybody, few = (
        Segment.unsafe_all.create(name=name, rule=rule)
        for name, rule in [
            ("所有人", {"all": []}),
            ("这位的好友", {"all": [{"agent": [agent.pk]}]}),
        ]
    )
    whole, part = (
        freeze_segment(segment=one, name=one.name, by=operator, now=timezone.now())
        for one in (everybody, few)
    )
    assert studying.reach(whole, operator) == {
        "reached": 3, "opted_out": 1, "not_friend": 1, "no_sender": 1,
    }  # fmt: skip
    shared = studying.overlap(whole, part, operator)
    assert {name: len(shared.part(name)) for name in ("both", "only", "other")} == {
        "both": 4, "only": 2, "other": 0,
    }  # fmt: skip
    Contact.unsafe_all.filter(customer=friends[1]).update(
        status="deleted_by_customer", ended_at=timezone.now()
    )
    factories.make_contact(gone, agent)
    again = studying.ask_again(part, operator)
    assert again.is_same
    url = reverse("analytics:segments:audience", args=[part.pk])
    page = client.get(url, {"again": "1", "with": whole.pk}).content.decode()
    assert "重算得到完全相同的名单" in page
    assert f"part=both&amp;with={whole.pk}" in page


def test_command_and_api_count_a_past_day_and_refuse_one_to_come(client, operator):
    day = local_day(timezone.now()) - timedelta(days=5)
    factories.make_customer(known_since=timezone.now() - timedelta(days=30))
    factories.make_customer(known_since=timezone.now() - timedelta(days=1))
    out = StringIO()
    call_command("segments", "count", as_of=day.isoformat(), json=True, stdout=out)
    assert json.loads(out.getvalue())["count"] == 1
    url = reverse("analytics:segments:api")

    def ask(as_of):
        body = {"rule": {"all": []}, "as_of": as_of}
        return client.post(url, body, content_type="application/json")

    assert ask(day.isoformat()).json()["count"] == 1
    for wrong, status in [("2999-01-01", 422), ("soon", 400), (5, 400), (None, 400)]:
        assert ask(wrong).status_code == status
        with pytest.raises(CommandError):
            call_command("segments", "count", as_of=str(wrong))
