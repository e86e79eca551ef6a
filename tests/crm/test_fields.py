"""The company's own fields: what fits, who said it, and what may change."""

import threading
from datetime import date
from decimal import Decimal, localcontext

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.fields import actions
from crm.fields.admin import FieldForm
from crm.fields.models import Field, FieldValue
from crm.fields.values import FieldRefused, fits, read_value, words
from tests.factories import make_agent, make_friend, make_user

Kind = Field.Kind
LEVELS = ["金卡", "银卡", "emoji 🏝️"]


def field(kind: str, **given) -> Field:
    return Field(key="f", label="字段", kind=kind, options=LEVELS, **given)


# Values


@pytest.mark.parametrize(
    ("kind", "raw", "stored"),
    [
        (Kind.TEXT, " 喜欢靠窗 ", "喜欢靠窗"),
        (Kind.TEXT, "مرحبا 🏝️", "مرحبا 🏝️"),
        (Kind.TEXT, "a\x00b", "ab"),
        (Kind.TEXT, "  ", None),
        (Kind.NUMBER, "007.50", "7.5"),
        (Kind.NUMBER, 1200, "1200"),
        (Kind.NUMBER, "-0", "0"),
        (Kind.DATE, "2028-02-29", "2028-02-29"),
        (Kind.CHOICE, "金卡", "金卡"),
        (Kind.CHOICES, ["银卡", "金卡", "银卡"], ["金卡", "银卡"]),
        (Kind.CHOICES, "金卡", ["金卡"]),
        (Kind.NUMBER, "1." + "0" * 30, "1"),
        (Kind.NUMBER, "0e-999999999", "0"),
        (Kind.NUMBER, "+1.20e1", "12"),
        (Kind.YES_NO, "是", True),
        (Kind.YES_NO, "No", False),
        (Kind.YES_NO, False, False),
        (Kind.YES_NO, "", None),
    ],
)
def test_a_value_is_read_as_its_kind(kind, raw, stored):
    assert read_value(field(kind), raw) == stored


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (Kind.TEXT, "x" * 201),
        (Kind.TEXT, ["x"]),
        (Kind.NUMBER, "12,5"),
        (Kind.NUMBER, "nan"),
        (Kind.NUMBER, "1e400"),
        (Kind.NUMBER, True),
        (Kind.NUMBER, "0.00001"),
        (Kind.NUMBER, "1." + "0" * 30 + "1"),
        (Kind.DATE, "2027-02-29"),
        (Kind.DATE, "29.2.2028"),
        (Kind.CHOICE, "铜卡"),
        (Kind.CHOICE, ["金卡", "银卡"]),
        (Kind.CHOICES, ["金卡", 1]),
        (Kind.YES_NO, "maybe"),
        (Kind.YES_NO, 2),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_field(kind, raw):
    with pytest.raises(FieldRefused) as refused:
        read_value(field(kind), raw)
    assert refused.value.field == "f"
    assert "字段" in str(refused.value)


_RAW = {
    Kind.TEXT: st.text(max_size=60),
    Kind.NUMBER: st.decimals(-(10**12), 10**12, places=4, allow_nan=False).map(str),
    Kind.DATE: st.dates().map(date.isoformat),
    Kind.CHOICE: st.sampled_from(LEVELS),
    Kind.CHOICES: st.lists(st.sampled_from(LEVELS)),
    Kind.YES_NO: st.sampled_from(["是", "否", True, False, "yes", "0"]),
}


@given(data=st.data(), kind=st.sampled_from(Kind.values))
def test_what_is_stored_is_read_again_as_itself(data, kind):
    stored = read_value(field(kind), data.draw(_RAW[kind]))
    if stored is not None:
        assert read_value(field(kind), stored) == stored
        assert fits(field(kind), kind, LEVELS, stored)
        assert words(field(kind), stored)


@given(number=st.decimals(-(10**12), 10**12, places=4, allow_nan=False))
def test_no_number_loses_a_digit(number):
    assert Decimal(read_value(field(Kind.NUMBER), str(number))) == number


@given(whole=st.integers(-(10**14), 10**14), decimals=st.text("0123456789", max_size=60))
def test_digits_are_kept_or_refused_and_never_rounded(whole, decimals):
    raw = f"{whole}.{decimals}"
    says_more = len(decimals.rstrip("0")) > 4
    try:
        with localcontext(prec=200):
            assert Decimal(read_value(field(Kind.NUMBER), raw)) == Decimal(raw)
        assert not says_more
    except FieldRefused:
        assert says_more


def test_yes_and_no_are_read_alike_in_every_language():
    with override("en"):
        assert read_value(field(Kind.YES_NO), "是") is True
        assert words(field(Kind.YES_NO), True) == "yes"


# Saying


@pytest.fixture
def known(db):
    """A field of each kind, a customer and their agent."""
    for position, kind in enumerate(Kind.values):
        Field.objects.create(key=kind, label=kind, kind=kind, options=LEVELS, position=position)
    agent = make_agent()
    user = make_user(Role.AGENT)
    user.agent = agent
    user.save()
    return {"customer": make_friend(agent), "user": user}


def say(known, values: dict, source: str = "person") -> list[str]:
    return actions.set_values(
        customer=known["customer"],
        values=values,
        source=source,
        by=known["user"],
        now=timezone.now(),
    )


def stored(known) -> dict:
    rows = FieldValue.unsafe_all.filter(customer=known["customer"])
    return dict(rows.values_list("field__key", "value"))


def test_values_keep_who_said_them_and_saying_them_again_changes_nothing(known):
    assert say(known, {"text": "靠窗", "number": "3"}) == ["text", "number"]
    first = FieldValue.unsafe_all.get(field__key="text")
    assert say(known, {"text": "靠窗", "number": "4"}, source="api") == ["number"]
    again = FieldValue.unsafe_all.get(field__key="text")
    assert (again.source, again.said_at) == ("person", first.said_at)
    assert FieldValue.unsafe_all.get(field__key="number").source == "api"
    assert say(known, {"text": ""}) == ["text"]
    assert stored(known) == {"number": "4"}
    entries = AuditEntry.objects.filter(action="customer.fields")
    assert entries.count() == 3
    assert "靠窗" not in str(list(entries.values_list("details", flat=True)))


def test_all_or_none(known):
    for wrong in ({"number": "x"}, {"nope": "1"}):
        with pytest.raises(FieldRefused):
            say(known, {"text": "靠窗"} | wrong)
    assert stored(known) == {}


def test_a_field_changes_its_kind_only_where_every_value_fits(known):
    say(known, {"text": "12"})
    text = Field.objects.get(key="text")
    other = make_friend(known["user"].agent)
    actions.set_values(
        customer=other,
        values={"text": "十二"},
        source="person",
        by=known["user"],
        now=timezone.now(),
    )
    form = FieldForm(
        {"key": "text", "label": "text", "kind": "number", "options": "", "position": 0},
        instance=text,
    )
    assert not form.is_valid()
    assert other.name in str(form.errors["kind"])
    assert FieldValue.unsafe_all.filter(field=text).count() == 2
    say({"customer": other, "user": known["user"]}, {"text": "7.50"})
    text.kind = "number"
    text.save()
    assert actions.convert(text, by=known["user"], now=timezone.now()) == 1
    values = FieldValue.unsafe_all.filter(field=text).values_list("value", flat=True)
    assert sorted(values) == ["12", "7.5"]


def test_an_option_that_somebody_has_cannot_be_taken_away(known):
    say(known, {"choice": "金卡"})
    choice = Field.objects.get(key="choice")
    form = FieldForm(
        {"key": "choice", "label": "x", "kind": "choice", "options": "银卡", "position": 0},
        instance=choice,
    )
    assert not form.is_valid()
    wider = FieldForm(
        {"key": "choice", "label": "x", "kind": "choice", "options": "金卡,银卡", "position": 0},
        instance=choice,
    )
    assert wider.is_valid(), wider.errors


def test_as_many_long_options_as_are_allowed_can_be_chosen(known):
    options = [f"{n:02}" + "很" * 62 for n in range(20)]
    Field.objects.filter(key="choices").update(options=options)
    assert say(known, {"choices": options}) == ["choices"]
    assert stored(known) == {"choices": options}


def test_the_admin_page_says_whose_value_does_not_fit(client, known):
    say(known, {"text": "十二"})
    text = Field.objects.get(key="text")
    client.force_login(make_user(Role.ADMIN))
    url = reverse("admin:crm_field_change", args=[text.pk])
    data = {"label": "字段", "kind": "number", "options": "", "help": "", "position": 0}
    answer = client.post(url, data)
    assert answer.status_code == 200
    assert known["customer"].name in answer.content.decode()
    say(known, {"text": "12.50"})
    assert client.post(url, data | {"is_active": "on"}).status_code == 302
    assert stored(known) == {"text": "12.5"}


def while_the_kind_changes(write) -> None:
    """Run ``write`` in a thread between a field's change to a number and its commit."""
    text = Field.objects.get(key="text")
    with transaction.atomic():
        text.kind = "number"
        text.save()
        actions.convert(text, by=make_user(Role.ADMIN), now=timezone.now())
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(timeout=1)
    writer.join()


@pytest.fixture
def meanwhile(transactional_db):
    """What a writer met who wrote words into the field while it became one of numbers."""
    Field.objects.create(key="text", label="字段", kind="text")
    agent = make_agent()
    known = {"customer": make_friend(agent), "user": make_user(Role.ADMIN)}
    met = []

    def write() -> None:
        try:
            met.append(say(known, {"text": "十二"}))
        except FieldRefused as refused:
            met.append(str(refused))
        connection.close()

    def run():
        while_the_kind_changes(write)
        return met[0], stored(known)

    return run


def test_a_value_written_while_the_kind_changes_is_read_as_the_new_kind(meanwhile):
    said, held = meanwhile()
    assert "数字" in said
    assert held == {}


def test_twin_without_the_hold_a_number_says_words(meanwhile, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "fields.kind")
    assert meanwhile() == (["text"], {"text": "十二"})


def test_a_change_of_kind_reads_each_value_once(known, django_assert_max_num_queries):
    text = Field.objects.get(key="text")
    for n in range(30):
        one = {"customer": make_friend(known["user"].agent), "user": known["user"]}
        say(one, {"text": f"{n % 3}.50"})
    text.kind = "number"
    text.save()
    with django_assert_max_num_queries(9):
        assert actions.convert(text, by=known["user"], now=timezone.now()) == 30
    values = FieldValue.unsafe_all.values_list("value", flat=True)
    assert set(values) == {"0.5", "1.5", "2.5"}


@pytest.mark.parametrize("key", ["Level", "1st", "a-b", ""])
def test_a_key_that_no_system_can_use_is_refused(db, key):
    with pytest.raises(ValidationError):
        Field(key=key, label="x", kind="text").full_clean()


# Pages and API


def test_an_agent_fills_in_the_form_and_sees_who_said_what(client, known):
    client.force_login(known["user"])
    customer = known["customer"]
    url = reverse("crm:fields:edit", args=[customer.pk])
    written = {"text": "靠窗", "number": "abc", "choices": ["金卡", "银卡"], "yes_no": "yes"}
    refused = client.post(url, written)
    assert refused.status_code == 422
    assert "number" in refused.context["form"].errors
    assert stored(known) == {}
    assert client.post(url, written | {"number": "3"}).status_code == 302
    card = client.get(reverse("crm:fields:card", args=[customer.pk])).content.decode()
    assert "靠窗" in card
    assert "手工填写" in card
    assert reverse("crm:fields:card", args=[customer.pk]) in (
        client.get(reverse("crm:customers:profile", args=[customer.pk])).content.decode()
    )
    page = client.get(url)
    assert page.context["form"].initial["choices"] == ["金卡", "银卡"]


def test_other_systems_write_and_read_fields(known):
    customer = known["customer"]
    api = APIClient()
    api.force_authenticate(make_user(Role.SERVICE))
    url = reverse("crm:api:customer_fields", args=[customer.customer_no])
    assert api.put(url, {"choice": "金卡", "number": 3.5}, format="json").json() == {
        "number": "3.5",
        "choice": "金卡",
    }
    refused = api.put(url, {"choice": "铜卡", "text": "x"}, format="json")
    assert refused.status_code == 422
    assert api.put(url, {"choice": None}, format="json").json() == {"number": "3.5"}
    assert api.put(url, ["x"], format="json").status_code == 422
    assert api.get(url).json() == {"number": "3.5"}
    assert api.get(reverse("crm:api:customer_fields", args=["nobody"])).status_code == 404
