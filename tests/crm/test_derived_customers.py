"""What is worked out about customers: milestones, life stages, derived fields, identity."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from crm.customers.actions import (
    apply_contacts,
    ensure_customers,
    recompute_stages,
    record_milestones,
    refresh_customers,
)
from crm.customers.models import Customer, IdentityConflict
from crm.timeline.models import Fact
from crm.wecom.records import ContactSeen, ExternalSeen, RelationSeen
from tests.factories import (
    at,
    make_agent,
    make_channel,
    make_contact,
    make_customer,
    make_fact,
    make_group,
    make_membership,
    make_order,
    make_tag,
)

pytestmark = pytest.mark.usefixtures("db")
NOW = at(200)


def milestones(kind: str) -> list[tuple[int, datetime]]:
    facts = Fact.unsafe_all.filter(kind__code=kind).order_by("at")
    return list(facts.values_list("customer_id", "at"))


def test_who_is_still_a_friend_after_seven_days_is_retained():
    agent, customer = make_agent(), make_customer()
    make_fact(customer, "friend_added", 0, agent_id=agent.pk)
    assert record_milestones(at(6.99)) == 0
    assert record_milestones(at(7)) == 1
    assert record_milestones(at(8)) == 0  # Once for ever.
    assert milestones("retained") == [(customer.pk, at(7))]


@pytest.mark.parametrize(
    "kind", ["friend_deleted_by_customer", "friend_deleted_by_agent", "friend_transferred"]
)
def test_whoever_was_gone_within_the_seven_days_is_not(kind):
    agent, gone, later = make_agent(), make_customer(), make_customer()
    for customer, day in ((gone, 6.9), (later, 7)):
        make_fact(customer, "friend_added", 0, agent_id=agent.pk)
        make_fact(customer, kind, day, agent_id=agent.pk)
    record_milestones(NOW)
    assert milestones("retained") == [(later.pk, at(7))]


def test_another_agents_deletion_does_not_end_this_relation():
    one, other, customer = make_agent(), make_agent(), make_customer()
    make_fact(customer, "friend_added", 0, agent_id=one.pk)
    make_fact(customer, "friend_added", 1, agent_id=other.pk)
    make_fact(customer, "friend_deleted_by_agent", 3, agent_id=other.pk)
    record_milestones(NOW)
    assert milestones("retained") == [(customer.pk, at(7))]


def test_writing_on_two_days_of_a_week_makes_a_customer_active():
    # The test world starts at 10:00 in Shanghai.
    customer = make_customer()
    for day in (0, 0.1, 6, 6.1, 13, 14.5, 14.55):
        make_fact(customer, "message_received", day)
    record_milestones(NOW)
    assert milestones("active") == [(customer.pk, at(6)), (customer.pk, at(14.5))]


def test_days_are_days_of_the_corporation():
    customer = make_customer()
    make_fact(customer, "message_received", datetime(2026, 11, 1, 15, 59, tzinfo=UTC))
    make_fact(customer, "message_received", datetime(2026, 11, 1, 16, 1, tzinfo=UTC))  # 2 Nov
    record_milestones(NOW)
    assert len(milestones("active")) == 1


def test_what_the_agent_writes_makes_nobody_active():
    customer = make_customer()
    for day in (0, 1, 2):
        make_fact(customer, "message_sent", day)
    assert record_milestones(NOW) == 0


def test_imported_customers_can_be_asked_alone_and_the_regular_run_looks_back_days_only():
    agent, one, other = make_agent(), make_customer(), make_customer()
    for customer in (one, other):
        make_fact(customer, "friend_added", 0, agent_id=agent.pk)
    assert record_milestones(NOW, [one.pk]) == 1
    assert record_milestones(NOW, since=NOW - timedelta(days=3)) == 0
    assert record_milestones(NOW, []) == 0
    assert record_milestones(NOW) == 1


def test_derived_fields_are_recomputed_from_relations_groups_and_facts():
    agent, customer, channel, tag = make_agent(), make_customer(), make_channel(), make_tag()
    contact = make_contact(customer, agent, channel=channel, added_at=at(1))
    contact.tags.add(tag, make_tag(is_deleted=True))
    make_membership(make_group(agent), customer)
    make_membership(make_group(agent, dismissed_at=at(2)), customer)
    make_membership(make_group(agent), customer, left_at=at(2))
    make_fact(customer, "friend_added", -3, agent_id=agent.pk)
    make_fact(customer, "message_received", 4)
    make_fact(customer, "order_paid", 5)
    assert refresh_customers([customer.pk], NOW) == 1
    customer.refresh_from_db()
    assert (customer.is_friend, customer.friend_since) == (True, at(-3))
    assert (customer.tag_ids, customer.group_count) == ([tag.pk], 1)
    assert (customer.last_message_at, customer.last_fact_at) == (at(4), at(5))
    assert (customer.channel, customer.known_since) == (channel, at(-3))
    assert refresh_customers(None, NOW) == 0  # Nothing differs any more.


def test_a_channel_from_a_file_stays_where_no_relation_names_one():
    channel = make_channel()
    customer = make_customer(channel=channel)
    refresh_customers([customer.pk], NOW)
    customer.refresh_from_db()
    assert customer.channel == channel


def bought(customer: Customer, *days: float, refunded: bool = False) -> None:
    for day in days:
        order = make_order(customer, paid_at=at(day))
        make_fact(customer, "order_paid", day, order_id=order.pk)
        if refunded:
            make_fact(customer, "order_refunded", day + 1, order_id=order.pk)


@pytest.mark.parametrize(
    ("friend_days_ago", "ended", "orders_days_ago", "wrote_days_ago", "stage"),
    [
        (3, False, (), None, "acquaintance"),
        (29.9, False, (), None, "acquaintance"),
        (31, False, (), None, "familiarity"),
        (60, False, (40,), None, "familiarity"),
        (60, False, (10,), None, "warmth"),
        (90, False, (80, 60), None, "warmth"),
        (190, False, (180, 150), None, "fatigue"),
        (190, False, (180, 150), 20, "warmth"),
        (190, False, (150,), None, "fatigue"),
        (60, True, (10,), None, "win_back"),
        (None, False, (10,), None, "warmth"),
        (None, False, (), None, "acquaintance"),
    ],
)
def test_the_life_stage_follows_the_published_rule(
    friend_days_ago, ended, orders_days_ago, wrote_days_ago, stage
):
    customer = make_customer()
    if friend_days_ago is not None:
        over = {"status": "deleted_by_customer", "ended_at": at(199)} if ended else {}
        make_contact(customer, make_agent(), added_at=at(200 - friend_days_ago), **over)
    bought(customer, *(200 - days for days in orders_days_ago))
    if wrote_days_ago is not None:
        make_fact(customer, "message_received", 200 - wrote_days_ago)
    refresh_customers([customer.pk], NOW)
    recompute_stages([customer.pk], NOW)
    customer.refresh_from_db()
    assert (customer.stage, customer.stage_since) == (stage, NOW)
    assert recompute_stages(now=NOW + timedelta(minutes=1)) == 0


def test_a_refunded_order_is_no_order():
    customer = make_customer()
    bought(customer, 170, 180, refunded=True)
    recompute_stages(now=NOW)
    customer.refresh_from_db()
    assert customer.stage == "acquaintance"


# Identity


def seen(external_userid: str, name: str = "海风", unionid: str = "") -> ExternalSeen:
    return ExternalSeen(external_userid, name, unionid=unionid)


def ensure(*people: ExternalSeen, asked_at: datetime = NOW) -> dict[str, int]:
    return ensure_customers(people, asked_at=asked_at, now=NOW)


def test_a_member_known_by_unionid_becomes_the_same_row():
    member = make_customer(unionid="oU1", name="张三")
    ids = ensure(seen("wm1", "海风", "oU1"))
    member.refresh_from_db()
    assert ids == {"wm1": member.pk}
    assert (member.external_userid, member.name) == ("wm1", "海风")
    assert "hf" in member.search


def test_an_external_userid_used_as_number_in_a_file_is_the_same_row():
    member = make_customer(customer_no="wm1")
    assert ensure(seen("wm1", unionid="oU1")) == {"wm1": member.pk}
    member.refresh_from_db()
    assert member.unionid == "oU1"


def test_a_unionid_arriving_late_is_adopted():
    ids = ensure(seen("wm1"))
    ensure(seen("wm1", unionid="oU1"))
    assert Customer.unsafe_all.get(pk=ids["wm1"]).unionid == "oU1"


@pytest.mark.parametrize("again", [1, 2])
def test_contradictions_are_written_down_once_and_nobody_is_merged(again):
    owner = make_customer(external_userid="wm0", unionid="oU0")
    changed = make_customer(external_userid="wm1", unionid="oU1")
    for _ in range(again):
        ids = ensure(seen("wm2", unionid="oU0"), seen("wm1", unionid="oU9"))
    assert len(set(ids.values())) == 2
    assert Customer.unsafe_all.get(pk=ids["wm2"]).unionid is None
    changed.refresh_from_db()
    assert changed.unionid == "oU1"
    found = {(c.kind, c.other_id, c.evidence) for c in IdentityConflict.unsafe_all.all()}
    assert found == {("unionid_taken", owner.pk, "oU0"), ("unionid_changed", None, "oU9")}


def test_a_number_that_is_somebody_elses_joins_nobody():
    by_number = make_customer(customer_no="wm1", unionid="oOther")
    ids = ensure(seen("wm1", unionid="oU1"))
    assert ids["wm1"] != by_number.pk
    assert IdentityConflict.unsafe_all.get().kind == "number_taken"


def test_an_older_answer_changes_no_name():
    ensure(seen("wm1", "新名"), asked_at=NOW)
    ensure(seen("wm1", "旧名"), asked_at=NOW - timedelta(seconds=1))
    assert Customer.unsafe_all.get().name == "新名"


def test_a_group_list_without_names_overwrites_nothing():
    ensure(seen("wm1", "海风"))
    ensure(seen("wm1", ""), asked_at=NOW + timedelta(seconds=1))
    assert Customer.unsafe_all.get().name == "海风"


def test_five_hundred_relations_take_a_constant_number_of_queries(django_assert_max_num_queries):
    agents = [make_agent() for _ in range(5)]
    contacts = [
        ContactSeen(
            seen(f"wm{n:04d}", f"客户{n}"),
            (RelationSeen(agents[n % 5].userid, at(1), state="store"),),
        )
        for n in range(500)
    ]
    with django_assert_max_num_queries(32):
        applied = apply_contacts(contacts, asked_at=timezone.now(), now=timezone.now())
    assert (applied.new, Customer.unsafe_all.friends().count()) == (500, 500)
    with django_assert_max_num_queries(20):
        again = apply_contacts(contacts, asked_at=timezone.now(), now=timezone.now())
    assert (again.new, again.changed) == (0, 0)
