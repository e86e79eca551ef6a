"""Who is who: agreeing evidence merges once, contradictions wait for a person, nothing is lost."""

import threading

import numpy as np
import pytest
from django.db import connection, transaction
from django.urls import reverse

from analytics.events import refresh
from analytics.standing.proof import prove
from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.customers.actions import ensure_customers, one_writer, record_milestones
from crm.customers.models import Customer, IdentityConflict
from crm.fields.actions import set_values
from crm.fields.models import Field, FieldValue
from crm.groups.models import Membership
from crm.handover.models import Handover, Transfer
from crm.identity.actions import (
    NotOpen,
    keep_apart,
    merge_agreeing,
    merge_conflict,
    note_same_phones,
)
from crm.identity.merging import MergeRefused
from crm.timeline.models import Fact
from crm.wecom.records import ExternalSeen
from tests.factories import (
    at,
    make_agent,
    make_contact,
    make_customer,
    make_department,
    make_fact,
    make_friend,
    make_group,
    make_membership,
    make_order,
    make_user,
)

NOW = at(30)
Kind, State = IdentityConflict.Kind, IdentityConflict.State


def conflict(one: Customer, other: Customer | None, **values) -> IdentityConflict:
    values = {"kind": Kind.UNIONID_TAKEN, "evidence": "oU1"} | values
    return IdentityConflict.unsafe_all.create(
        customer=one, other=other, first_seen_at=NOW, last_seen_at=NOW, **values
    )


@pytest.fixture
def pair(db) -> tuple[Customer, Customer]:
    """A friend on WeCom, and the row that a file brought of the same person."""
    friend = make_friend(make_agent(), customer_no=None, name="阿珍")
    filed = make_customer(customer_no="C9", unionid="oU1", phone="13800001234", city="厦门")
    return friend, filed


@pytest.fixture
def operator(db):
    return make_user(Role.OPERATOR)


def test_the_same_unionid_merges_once_and_by_itself(db):
    """The file knew the unionid, WeCom tells it later than the customer."""
    filed = make_customer(customer_no="C9", unionid="oU1")
    _seen(ExternalSeen("wm1", "阿珍"))
    _seen(ExternalSeen("wm1", "阿珍", unionid="oU1"))
    assert Customer.unsafe_all.count() == 2
    assert merge_agreeing(now=NOW) == 1
    [one] = Customer.unsafe_all.all()
    assert (one.external_userid, one.unionid, one.customer_no) == ("wm1", "oU1", "C9")
    assert not Customer.unsafe_all.filter(pk=filed.pk).exists()
    _seen(ExternalSeen("wm1", "阿珍", unionid="oU1"))
    assert merge_agreeing(now=NOW) == 0
    assert Customer.unsafe_all.count() == 1
    entry = AuditEntry.objects.get(action="identity.merge")
    assert (entry.actor_name, "customer_no" in entry.details["gone"]["had"]) == ("system", True)


def _seen(person: ExternalSeen) -> None:
    with transaction.atomic():
        one_writer()
        ensure_customers([person], asked_at=NOW, now=NOW)


@pytest.mark.parametrize(
    "values",
    [
        {"customer_no": "C9", "unionid": "oU1", "external_userid": "wm2"},
        {"customer_no": "C9", "unionid": "oOther"},
    ],
)
def test_evidence_that_contradicts_is_never_merged(db, operator, values):
    friend = make_friend(make_agent(), customer_no="C1", unionid="oU9")
    other = make_customer(**values)
    row = conflict(friend, other)
    assert merge_agreeing(now=NOW) == 0
    with pytest.raises(MergeRefused, match="不能合并"):
        merge_conflict(conflict_id=row.pk, by=operator, now=NOW)
    assert Customer.unsafe_all.count() == 2
    row.refresh_from_db()
    assert row.state == State.OPEN


def test_everything_that_names_the_one_who_goes_names_the_one_who_stays(pair, operator):
    friend, filed = pair
    group = make_group()
    stay = make_membership(group, filed)
    first = make_order(friend, paid_at=at(1), order_no="A1")
    second = make_order(filed, paid_at=at(2), order_no="A2")
    for order in (first, second):
        make_fact(order.customer, "order_paid", order.paid_at, order_id=order.pk)
    make_fact(filed, "message_received", at(3))
    make_fact(filed, "message_received", at(4))
    names = set(Fact.unsafe_all.values_list("source", "source_key"))
    row = conflict(friend, filed)
    done = merge_conflict(conflict_id=row.pk, by=operator, now=NOW, reason="打过电话")
    assert done.kept == friend
    assert (done.kept.customer_no, done.kept.phone, done.kept.city) == (
        "C9",
        "13800001234",
        "厦门",
    )
    assert (done.kept.order_count, done.kept.paid_cents) == (2, 256_000)
    assert Membership.unsafe_all.get(pk=stay.pk).customer == friend
    kept = Fact.unsafe_all.exclude(source="derived").exclude(kind__code="repeat_order")
    assert set(kept.values_list("source", "source_key")) == names
    assert set(Fact.unsafe_all.values_list("customer_id", flat=True)) == {friend.pk}
    codes = list(Fact.unsafe_all.values_list("kind__code", flat=True))
    assert codes.count("repeat_order") == 1
    assert codes.count("active") == 1
    row.refresh_from_db()
    assert (row.state, row.reason, row.customer, row.other) == (
        State.MERGED,
        "打过电话",
        friend,
        None,
    )


def test_derived_facts_are_not_counted_twice(pair, operator):
    friend, filed = pair
    for day in (1, 2, 8, 9):
        make_fact(friend if day < 5 else filed, "message_received", at(day))
    record_milestones(NOW)
    merge_conflict(conflict_id=conflict(friend, filed).pk, by=operator, now=NOW)
    days = Fact.unsafe_all.filter(kind__code="active").order_by("at").values_list("at", flat=True)
    assert list(days) == [at(2), at(8), at(9)]


def test_a_refused_merge_leaves_everything_as_it_was(pair, operator):
    friend, filed = pair
    make_fact(filed, "message_received", at(3))
    make_contact(filed, friend.contacts.get().agent)
    row = conflict(friend, filed)
    with pytest.raises(MergeRefused, match="好友关系"):
        merge_conflict(conflict_id=row.pk, by=operator, now=NOW)
    assert Fact.unsafe_all.get(kind__code="message_received").customer == filed
    assert AuditEntry.objects.filter(action="identity.merge").count() == 0


def test_own_fields_that_agree_merge_and_those_that_differ_are_named(pair, operator):
    friend, filed = pair
    seat = Field.objects.create(key="seat", label="座位", kind="text")
    diet = Field.objects.create(key="diet", label="饮食", kind="text")

    def say(customer: Customer, **values) -> None:
        set_values(customer=customer, values=values, source="api", by=operator, now=NOW)

    say(friend, seat="靠窗")
    say(filed, seat="过道", diet="素食")
    row = conflict(friend, filed)
    with pytest.raises(MergeRefused, match="座位"):
        merge_conflict(conflict_id=row.pk, by=operator, now=NOW)
    assert FieldValue.unsafe_all.count() == 3
    say(filed, seat="靠窗")
    kept = merge_conflict(conflict_id=row.pk, by=operator, now=NOW).kept
    held = FieldValue.unsafe_all.filter(customer=kept).values_list("field_id", "value")
    assert set(held) == {(seat.pk, "靠窗"), (diet.pk, "素食")}


def test_two_open_transfers_cannot_become_one(pair, operator):
    """A constraint with a condition speaks only when the rows are written."""
    friend, filed = pair
    giver = friend.contacts.get().agent
    handover = Handover.unsafe_all.create(giver=giver)
    for customer in pair:
        Transfer.unsafe_all.create(
            handover=handover, customer=customer, giver=giver, taker=make_agent()
        )
    with pytest.raises(MergeRefused, match="客户移交"):
        merge_conflict(conflict_id=conflict(friend, filed).pk, by=operator, now=NOW)
    assert Customer.unsafe_all.count() == 2


def test_who_was_judged_to_be_two_is_not_asked_again(pair, operator):
    friend, filed = pair
    row = conflict(friend, filed)
    keep_apart(conflict_id=row.pk, by=operator, now=NOW, reason="两个人")
    assert merge_agreeing(now=NOW) == 0
    with pytest.raises(NotOpen, match="已经有人判断过"):
        merge_conflict(conflict_id=row.pk, by=operator, now=NOW)
    assert Customer.unsafe_all.count() == 2
    assert AuditEntry.objects.get(action="identity.apart").reason == "两个人"


def test_only_who_sees_both_sides_may_judge(pair):
    friend, filed = pair
    team = make_department(parent=make_department())
    friend.contacts.update(agent=make_agent(department=team))
    row = conflict(friend, filed)
    lead = make_user(Role.MANAGER, departments=[team])
    with pytest.raises(NotOpen, match="范围内"):
        merge_conflict(conflict_id=row.pk, by=lead, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_two_who_merge_at_once_merge_once():
    friend = make_friend(make_agent(), customer_no=None)
    filed = make_customer(customer_no="C9", unionid="oU1")
    make_fact(filed, "message_received", at(3))
    row, start = conflict(friend, filed), threading.Barrier(4)
    said: list[str] = []

    def press() -> None:
        start.wait()
        try:
            merge_conflict(conflict_id=row.pk, by=None, now=NOW)
            said.append("merged")
        except (NotOpen, MergeRefused):
            said.append("refused")
        connection.close()

    threads = [threading.Thread(target=press) for _n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["merged", "refused", "refused", "refused"]
    assert Fact.unsafe_all.filter(customer=friend).count() == Fact.unsafe_all.count()


@pytest.mark.parametrize(
    ("filed", "found"),
    [
        ({"customer_no": "C9"}, 1),
        ({"customer_no": "C9", "unionid": "oOther"}, 0),
        ({"external_userid": "wm7"}, 0),
    ],
)
def test_the_same_phone_is_for_a_person_and_no_proof(db, filed, found):
    make_friend(make_agent(), customer_no=None, unionid="oU1", phone="13800001234")
    make_customer(**{"customer_no": None, "phone": "13800001234"} | filed)
    assert note_same_phones(now=NOW) == found
    assert IdentityConflict.unsafe_all.filter(kind=Kind.PHONE_SAME).count() == found
    assert merge_agreeing(now=NOW) == 0
    assert Customer.unsafe_all.count() == 2


def test_a_phone_of_three_people_says_nothing(db):
    make_friend(make_agent(), customer_no=None, phone="13800001234")
    for _n in range(2):
        make_customer(phone="13800001234")
    assert note_same_phones(now=NOW) == 0


@pytest.mark.django_db(transaction=True)
def test_the_column_files_follow_a_merge(settings, tmp_path):
    """Customers of other buckets stay as written; the one who is gone is gone from the files."""
    settings.COLUMNS_DIR = str(tmp_path)
    friend = make_friend(make_agent(), customer_no=None)
    filed = make_customer(id=3_000_000, customer_no="C9", unionid="oU1")
    make_fact(filed, "message_received", at(3))
    make_fact(friend, "message_received", at(4))
    assert _in_files(refresh.refresh(everything=True)) == {friend.pk: 1, filed.pk: 1}
    merge_conflict(conflict_id=conflict(friend, filed).pk, by=None, now=NOW)
    assert refresh.is_refresh_due(now=NOW)
    kept = Fact.unsafe_all.count()
    assert _in_files(refresh.refresh()) == {friend.pk: kept}
    assert not refresh.is_refresh_due(now=NOW)


def _in_files(snapshot) -> dict[int, int]:
    """Customer → events, as the files have it."""
    found: dict[int, int] = {}
    for bucket in snapshot.buckets:
        counts = np.diff(bucket.offsets)
        rows = np.nonzero(counts)[0]
        found |= dict(zip(bucket.ids_at(rows).tolist(), counts[rows].tolist(), strict=True))
    return found


@pytest.mark.django_db(transaction=True)
def test_standing_figures_count_the_one_who_stays_and_nobody_twice():
    friend = make_friend(make_agent(), customer_no=None)
    filed = make_customer(customer_no="C9", unionid="oU1")
    make_fact(friend, "friend_added", at(0), agent_id=friend.contacts.get().agent_id)
    for day in (1, 2):
        make_fact(filed, "message_received", at(day))
    make_fact(filed, "order_paid", at(3), order_id=make_order(filed, paid_at=at(3)).pk)
    assert prove(now=NOW).total_drift == 0
    merge_conflict(conflict_id=conflict(friend, filed).pk, by=None, now=NOW)
    assert prove(now=NOW).total_drift == 0


# The pages


def test_an_operator_sees_both_sides_and_judges(client, pair, operator):
    friend, filed = pair
    row = conflict(friend, filed)
    client.force_login(operator)
    listed = client.get(reverse("crm:identity:list"))
    assert [one.pk for one, *_rest in listed.context["rows"]] == [row.pk]
    page = client.get(reverse("crm:identity:detail", args=[row.pk])).content.decode()
    assert "C9" in page
    assert "138****1234" in page
    assert "13800001234" not in page
    merge = reverse("crm:identity:merge", args=[row.pk])
    assert client.post(merge, {"reason": ""}).status_code == 422
    assert client.post(merge, {"reason": "打过电话"}).status_code == 302
    assert Customer.unsafe_all.count() == 1
    assert client.post(merge, {"reason": "再来一次"}).status_code == 422
    assert client.get(reverse("crm:identity:list")).context["rows"] == []


def test_what_contradicts_is_said_and_no_merge_offered(client, operator):
    one = make_friend(make_agent(), unionid="oU1")
    other = make_friend(make_agent(), unionid="oU2")
    row = conflict(one, other)
    client.force_login(operator)
    page = client.get(reverse("crm:identity:detail", args=[row.pk])).content.decode()
    assert "两边的 unionid 不同" in page
    assert "合并为一位" not in page
