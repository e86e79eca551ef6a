"""Facts are appended once and under declared kinds."""

import threading
from contextlib import closing
from dataclasses import replace

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from crm.customers.models import Channel
from crm.timeline.actions import BATCH, MANY, NewFact, UnknownKind, append_facts, declare_kind
from crm.timeline.catalogue import FIRST_COMPANY_KIND, KINDS, STANDARD_JOURNEY
from crm.timeline.models import Fact, FactKind
from tests import factories
from tests.factories import at, make_customer
from tests.waiting import eventually, somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db


def test_the_same_source_key_is_one_fact():
    fact = NewFact(make_customer().pk, "order_paid", at(1), "order", "A-1:paid", amount_cents=100)
    assert append_facts([fact, fact], now=at(2)) == 1
    assert append_facts([fact], now=at(3)) == 0
    assert Fact.unsafe_all.get().recorded_at == at(2)


def test_an_undeclared_kind_writes_nothing():
    customer = make_customer()
    facts = [
        NewFact(customer.pk, "order_paid", at(1), "test", "1"),
        NewFact(customer.pk, "teleported", at(1), "test", "2"),
    ]
    with pytest.raises(UnknownKind, match="teleported"):
        append_facts(facts, now=at(1))
    assert not Fact.unsafe_all.exists()


def test_company_kinds_get_numbers_of_their_own_and_keep_them():
    first = declare_kind(code="visa_issued", label_zh="签证出签")
    again = declare_kind(code="visa_issued", label_zh="另一个名字")
    other = declare_kind(code="coupon_used", label_zh="用券")
    assert first.pk == again.pk == FIRST_COMPANY_KIND
    assert other.pk == FIRST_COMPANY_KIND + 1


def test_the_catalogue_is_in_the_table_and_holds_the_standard_journey():
    rows = dict(FactKind.objects.filter(is_builtin=True).values_list("code", "id"))
    assert rows == {kind.code: kind.id for kind in KINDS}
    assert set(STANDARD_JOURNEY) <= rows.keys()


def _facts(customer, number: int) -> list[NewFact]:
    """Facts that say everything that one can say."""
    agent, channel = factories.make_agent(), factories.make_channel()
    return [
        NewFact(
            customer.pk,
            "route_viewed",
            at(n / 1000),
            "test",
            f"{number}:{n}",
            agent_id=agent.pk if n % 2 else None,
            channel_id=channel.pk if n % 3 else None,
            amount_cents=n if n % 5 else None,
            properties={"路线": f'三亚 "{n}"\\', "n": n} if n % 7 else {},
        )
        for n in range(number)
    ]


@pytest.mark.parametrize("number", [MANY - 1, MANY, BATCH + MANY])
def test_few_and_many_facts_are_kept_word_for_word(number):
    customer = make_customer()
    facts = _facts(customer, number)
    assert append_facts(facts[:-3], now=at(2)) == number - 3
    assert append_facts([*facts, facts[-1]], now=at(3)) == 3
    names = [f for f in NewFact.__dataclass_fields__ if f != "kind"]
    kept = Fact.unsafe_all.order_by("at").values(*names, kind_code=F("kind__code"))
    told = [
        {name: getattr(fact, name) for name in names} | {"kind_code": fact.kind} for fact in facts
    ]
    assert list(kept) == told


@pytest.mark.parametrize("number", [1, MANY])
@pytest.mark.parametrize("name", ["customer_id", "agent_id", "group_id", "channel_id", "order_id"])
def test_a_fact_about_nobody_is_refused(name, number):
    facts = [replace(fact, **{name: 987_654_321}) for fact in _facts(make_customer(), number)]
    with pytest.raises(IntegrityError, match="987654321"), transaction.atomic():
        append_facts(facts, now=at(2))
    assert not Fact.unsafe_all.exists()


def test_what_facts_name_is_not_deleted():
    channel = factories.make_channel()
    append_facts(
        [NewFact(make_customer().pk, "route_viewed", at(1), "t", "1", channel_id=channel.pk)],
        now=at(2),
    )
    with (
        pytest.raises(IntegrityError, match="crm_fact"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("delete from crm_channel where id = %s", [channel.pk])
        cursor.execute("set constraints all immediate")


def _delete_channel(channel_id: int) -> None:
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("delete from crm_channel where id = %s", [channel_id])


def _until_waiting_or_done(other: threading.Thread) -> None:
    eventually(lambda: not other.is_alive() or somebody_waits_for_a_lock())


def _delete_while_a_fact_is_written(channel_id: int) -> None:
    """A channel is deleted between a fact that names it and the commit of that fact."""
    fact = NewFact(make_customer().pk, "route_viewed", at(1), "race", "1", channel_id=channel_id)
    other = threading.Thread(target=_delete_channel, args=[channel_id])
    with transaction.atomic():
        append_facts([fact], now=at(2))
        other.start()
        _until_waiting_or_done(other)
    other.join()


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_fact_being_written_names_is_held():
    channel = factories.make_channel()
    _delete_while_a_fact_is_written(channel.pk)
    assert Channel.objects.filter(pk=channel.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_without_the_hold_a_fact_is_left_that_names_nothing():
    channel = factories.make_channel()
    with connection.cursor() as cursor:
        cursor.execute("alter table crm_fact disable trigger fact_parents_exist")
    try:
        _delete_while_a_fact_is_written(channel.pk)
        assert Fact.unsafe_all.get().channel_id == channel.pk
        assert not Channel.objects.filter(pk=channel.pk).exists()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("alter table crm_fact enable trigger fact_parents_exist")
