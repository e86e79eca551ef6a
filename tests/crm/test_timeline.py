"""Facts are appended once and under declared kinds."""

import pytest

from crm.timeline.actions import NewFact, UnknownKind, append_facts, declare_kind
from crm.timeline.catalogue import FIRST_COMPANY_KIND, KINDS, STANDARD_JOURNEY
from crm.timeline.models import Fact, FactKind
from tests.factories import at, make_customer

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
