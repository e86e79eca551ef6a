"""Of everything that is said of a customer: who said it, when, and what was said before."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.api.batches import take_batch
from crm.customers.models import AttributeChange, Channel, Customer
from crm.customers.origins import origins_of, speak_for
from crm.fields.actions import convert, set_values
from crm.fields.models import Field, FieldValue
from crm.identity.merging import merge
from crm.imports.files import take_in
from crm.ingest.kinds import CUSTOMERS
from crm.ingest.own_fields import hold, row_kind
from crm.ingest.problems import Collision
from crm.subjects.erasing import erase
from tests.factories import make_agent, make_customer, make_friend, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def changes(customer) -> list[tuple[str, str, str, str]]:
    rows = AttributeChange.unsafe_all.filter(customer=customer).order_by("at", "pk")
    return [(row.attribute, row.before, row.value, row.source) for row in rows]


def imported(tmp_path, text: str, **how):
    path = tmp_path / "customers.csv"
    path.write_text(text)
    return take_in(path, "customers", now=timezone.now(), **how)


def test_a_file_an_interface_and_a_person_are_told_apart(tmp_path, operator):
    one = make_customer(customer_no="C1", name="王", city="", origin="wecom")
    imported(tmp_path, "客户编号,昵称,城市\nC1,王,上海\n")
    item = {"customer_id": "C1", "name": "王", "city": "北京"}
    status, _body = take_batch(CUSTOMERS, {"items": [item]}, now=timezone.now(), by=operator)
    assert status == 200
    speak_for("wecom")  # Another transaction would not need to be told.
    Customer.unsafe_all.filter(pk=one.pk).update(name="王芳")
    assert changes(one) == [
        ("city", "", "上海", "import"),
        ("city", "上海", "北京", "api"),
        ("name", "王", "王芳", "wecom"),
    ]  # fmt: skip
    one.refresh_from_db()
    origins = origins_of(one)
    assert (origins["city"].source, origins["city"].said_by) == ("接口", operator.username)
    assert origins["phone"].source == "企业微信"
    assert origins["phone"].at == one.known_since


def test_whom_an_interface_opens_comes_from_there(operator):
    item = {"customer_id": "C9", "name": "新"}
    take_batch(CUSTOMERS, {"items": [item]}, now=timezone.now(), by=operator)
    assert Customer.unsafe_all.get().origin == "api"


def test_the_channel_of_a_new_friend_is_no_change_and_another_one_is(db):
    one = make_customer(origin="wecom", channel=None)
    first, other = (Channel.objects.create(code=code, name=code) for code in "ab")
    for channel in (first, other):
        Customer.unsafe_all.filter(pk=one.pk).update(channel=channel)
    assert changes(one) == [("channel", "a", "b", "wecom")]


def test_a_word_holds_for_its_transaction_alone(transactional_db):
    one = make_customer(city="")
    with transaction.atomic():
        speak_for("import")
        Customer.unsafe_all.filter(pk=one.pk).update(city="上海")
    Customer.unsafe_all.filter(pk=one.pk).update(city="北京")
    assert [source for *_rest, source in changes(one)] == ["import", "wecom"]


def test_own_fields_keep_every_word_and_a_change_of_kind_is_none(operator):
    one, now = make_customer(), timezone.now()
    field = Field.objects.create(key="size", label="人数", kind="text")
    said = {"customer": one, "by": operator, "source": "person"}
    for n, value in enumerate(("3", "4", "")):
        set_values(values={"size": value}, now=now + timedelta(minutes=n), **said)
    assert changes(one) == [
        ("field.size", "", "3", "person"), ("field.size", "3", "4", "person"),
        ("field.size", "4", "", "person"),
    ]  # fmt: skip
    set_values(values={"size": "05"}, now=now, **said)
    field.kind = "number"
    field.save()
    assert convert(field, by=operator, now=now) == 1
    assert FieldValue.unsafe_all.get().value == "5"
    assert len(changes(one)) == 4


def test_merging_says_so(db):
    friend = make_friend(make_agent(), phone="", city="", customer_no=None)
    filed = make_customer(city="上海", external_userid=None)
    merge(friend.pk, filed.pk, now=timezone.now())
    assert ("city", "", "上海", "merge") in changes(friend)


def test_the_page_masks_phones_and_names_everything(client, operator):
    one = make_customer(phone="", city="")
    Field.objects.create(key="diet", label="忌口", kind="text")
    set_values(
        customer=one, values={"diet": "花生"}, source="person", by=operator, now=timezone.now()
    )
    Customer.unsafe_all.filter(pk=one.pk).update(phone="13812345678", gender=2)
    page = client.get(reverse("crm:customers:changes", args=[one.pk])).content.decode()
    assert "138****5678" in page and "13812345678" not in page
    assert "忌口" in page and "花生" in page and "女" in page
    profile = client.get(reverse("crm:customers:profile", args=[one.pk])).content.decode()
    assert profile.count("企业微信 ·") >= 2


def test_erasing_a_person_takes_what_was_said_before_along(operator):
    one = make_customer(city="", external_userid=None, customer_no="C-12345")
    Field.objects.create(key="diet", label="忌口", kind="text")
    said = {"customer": one, "by": operator, "source": "person", "now": timezone.now()}
    set_values(values={"diet": "花生"}, **said)
    Customer.unsafe_all.filter(pk=one.pk).update(city="上海")
    erase(one.pk, now=timezone.now())
    assert not AttributeChange.unsafe_all.exists()


# Own fields in files


@pytest.fixture
def fields(db):
    Field.objects.create(key="diet", label="忌口", kind="text", position=1)
    Field.objects.create(
        key="likes", label="偏好", kind="choices", options=["海岛", "徒步"], position=2
    )
    Field.objects.create(key="since", label="入会", kind="date", position=3)


def test_a_file_fills_own_fields_by_label_or_key(tmp_path, operator, fields):
    known = make_customer(customer_no="C1", name="王")
    text = "客户编号,昵称,忌口,field.likes,入会\nC1,王,花生,海岛、徒步,2026/11/1\nC2,李,,徒步,\n"
    dry = imported(tmp_path, text, dry_run=True).outcome
    assert (dry.counts.new, dry.counts.changed, list(dry.problems)) == (1, 1, [])
    assert not FieldValue.unsafe_all.exists()
    imported(tmp_path, text, by=operator)
    values = {
        (row.customer.customer_no, row.field.key): row.value
        for row in FieldValue.unsafe_all.select_related("customer", "field")
    }
    assert values == {
        ("C1", "diet"): "花生", ("C1", "likes"): ["海岛", "徒步"], ("C1", "since"): "2026-11-01",
        ("C2", "likes"): ["徒步"],
    }  # fmt: skip
    row = FieldValue.unsafe_all.get(customer=known, field__key="diet")
    assert (row.source, row.said_by) == ("import", operator)
    again = imported(tmp_path, text).outcome
    assert (again.counts.same, again.counts.changed) == (2, 0)
    assert FieldValue.unsafe_all.get(pk=row.pk).said_by == operator
    # An empty cell says nothing.
    imported(tmp_path, "客户编号,昵称,忌口\nC1,王,\n")
    assert FieldValue.unsafe_all.filter(pk=row.pk).exists()


def test_a_field_that_is_called_like_a_built_in_column_takes_no_column_away(tmp_path):
    Field.objects.create(key="town", label="城市", kind="text")
    imported(tmp_path, "客户编号,昵称,城市,field.town\nC1,王,上海,浦东\n")
    assert Customer.unsafe_all.get().city == "上海"
    assert FieldValue.unsafe_all.get().value == "浦东"


def test_a_cell_that_does_not_fit_is_named_and_nothing_is_written(tmp_path, fields):
    text = "客户编号,昵称,偏好,入会\nC1,王,滑雪,昨天\n"
    outcome = imported(tmp_path, text).outcome
    told = list(outcome.problems)
    assert {(one.line, one.field) for one in told} == {(2, "field_likes"), (2, "field_since")}
    assert any("没有选项“滑雪”" in one.problem for one in told)
    assert not Customer.unsafe_all.exists()


def test_a_field_that_changes_while_a_file_is_read_stops_the_file(fields):
    kind = row_kind("customers")
    hold(kind)
    Field.objects.filter(key="likes").update(options=["海岛"])
    with pytest.raises(Collision, match="重新导入"):
        hold(kind)
