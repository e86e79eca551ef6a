"""Value layers: equal to a plain reading, each customer in one cell, each cell its people."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from analytics.rfm.layers import (
    LAYERS,
    RfmQuestion,
    RfmRefused,
    cells,
    cuts_of,
    people,
    score_counts,
    scores_of,
)
from analytics.rfm.models import CODE, RfmRule
from crm.agents.access import Role
from crm.customers.models import Customer
from tests.factories import make_agent, make_department, make_friend, make_order, make_user

pytestmark = pytest.mark.django_db
ON = date(2026, 11, 20)
QUESTION = RfmQuestion(ON, 90)


def house(seed: int) -> list[Customer]:
    """Customers of two teams who ordered now and then, some refunded, some long ago."""
    dice = random.Random(seed)
    root = make_department()
    agents = [make_agent(department=make_department(parent=root)) for _n in range(2)]
    people = [
        make_friend(
            dice.choice(agents),
            stage=dice.choice(Customer.Stage.values),
            known_since=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for _n in range(30)
    ]
    for customer in people:
        for _n in range(dice.choice([0, 0, 1, 1, 2, 5])):
            # Also on the edges of days in Shanghai, and of the window.
            at = datetime(2026, 11, 20, 15, 59, tzinfo=UTC) - timedelta(
                days=dice.choice([0, 1, 30, 88, 89, 90, 120]), minutes=dice.choice([0, 1, 1439])
            )
            make_order(
                customer,
                status=dice.choice(["paid", "completed", "completed", "refunded"]),
                paid_at=at,
                amount_cents=dice.choice([0, 9_900, 128_000, 900_000]),
            )
    return people


def read_plainly(customers: list[Customer], days: int) -> dict[int, tuple[int, int, int]]:
    """R, F and M of everybody who paid in the window."""
    found = {}
    for customer in customers:
        paid = [
            ((order.paid_at + timedelta(hours=8)).date(), order.amount_cents)
            for order in customer.orders.all()
            if order.status in ("paid", "completed")
        ]
        paid = [(day, cents) for day, cents in paid if 0 <= (ON - day).days < days]
        if paid:
            on = {day for day, _cents in paid}
            found[customer.pk] = ((ON - max(on)).days, len(on), sum(cents for _day, cents in paid))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_grid_is_what_a_plain_reading_says(seed):
    customers, operator = house(seed), make_user(Role.OPERATOR)
    rfm = read_plainly(customers, 90)
    means = [sum(values) / len(rfm) for values in zip(*rfm.values(), strict=True)]
    expected: Counter = Counter()
    for customer in customers:
        layer = "none"
        if customer.pk in rfm:
            r, f, m = rfm[customer.pk]
            layer = f"{int(r <= means[0])}{int(f >= means[1])}{int(m >= means[2])}"
        expected[layer, customer.stage] += 1
    found = cells(QUESTION, user=operator)
    assert {cell: n for cell, (n, _paid) in found.items()} == dict(expected)
    assert sum(paid for _n, paid in found.values()) == sum(m for _r, _f, m in rfm.values())
    for layer, stage in expected:
        ids = people(QUESTION, user=operator, layer=layer, stage=stage)
        assert len(ids) == len(set(ids)) == expected[layer, stage]


@pytest.mark.parametrize("seed", range(6))
def test_equal_values_share_a_score(seed):
    customers, operator = house(seed), make_user(Role.OPERATOR)
    rfm = read_plainly(customers, 90)
    worse = (lambda a, b: a > b, lambda a, b: a < b, lambda a, b: a < b)
    expected = {
        pk: tuple(
            1 + 5 * sum(worse[i](other[i], mine[i]) for other in rfm.values()) // len(rfm)
            for i in range(3)
        )
        for pk, mine in rfm.items()
    }
    assert scores_of(QUESTION, user=operator) == expected
    counts = score_counts(QUESTION, user=operator)
    assert [sum(counts[name].values()) for name in "rfm"] == [len(rfm)] * 3


def test_cuts_are_the_companys_and_counts_the_viewers():
    customers = house(1)
    agent = customers[0].contacts.get().agent
    lead, operator = make_user(Role.LEAD), make_user(Role.OPERATOR)
    lead.departments.set([agent.department])
    everybody, mine = cells(QUESTION, user=operator), cells(QUESTION, user=lead)
    seen = Customer.objects.for_user(lead).count()
    assert 0 < seen < len(customers)
    assert sum(n for n, _paid in mine.values()) == seen
    whole = {pk: layer for layer in LAYERS for pk in people(QUESTION, user=operator, layer=layer)}
    for layer in LAYERS:
        assert all(whole[pk] == layer for pk in people(QUESTION, user=lead, layer=layer))
    assert everybody != mine


def test_a_dated_rule_cuts_from_its_day_on():
    house(2)
    operator = make_user(Role.OPERATOR)
    rule = {"recency_days": 3, "order_days": 2, "money_cents": 128_000}
    RfmRule.objects.create(code=CODE, valid_from=datetime(2026, 11, 20, 4, tzinfo=UTC), **rule)
    by_rule = RfmQuestion(ON, 90, "rule")
    cuts = cuts_of(by_rule)
    assert (cuts.recency_days, cuts.order_days, cuts.money_cents, cuts.version) == (
        3,
        2,
        128_000,
        1,
    )
    assert cells(by_rule, user=operator) != cells(QUESTION, user=operator)
    with pytest.raises(RfmRefused) as refused:
        RfmQuestion(ON - timedelta(days=1), 90, "rule").check(timezone.now())
    assert refused.value.field == "cut"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"on": "2999-01-01"}, "on"),
        ({"days": "7"}, "days"),
        ({"cut": "x"}, "cut"),
        ({"on": "gestern"}, "on"),
        ({"cut": "rule"}, "cut"),
    ],
)
def test_impossible_questions_are_refused_at_their_field(client, wrong, field):
    client.force_login(make_user(Role.OPERATOR))
    answer = client.get(reverse("analytics:rfm:grid"), wrong)
    assert answer.status_code == 422
    assert field in answer.context["form"].errors


def test_page_file_and_api_say_the_same(client):
    house(3)
    operator = make_user(Role.OPERATOR)
    client.force_login(operator)
    asked = {"on": ON.isoformat(), "days": "90", "cut": "mean"}
    page = client.get(reverse("analytics:rfm:grid"), asked)
    assert page.status_code == 200
    total = Customer.unsafe_all.count()
    assert page.context["grid"].total.value == total
    file = client.get(reverse("analytics:rfm:export"), asked)
    lines = b"".join(file.streaming_content).decode("utf-8-sig").splitlines()
    assert lines[-1].split(",")[6] == str(total)
    api = APIClient()
    api.force_authenticate(operator)
    told = api.get(reverse("analytics:rfm:api"), asked).json()
    assert told["total"] == total
    found = cells(QUESTION, user=operator)
    assert {(row["layer"], row["stage"]): row["customers"] for row in told["cells"]} == {
        cell: n for cell, (n, _paid) in found.items()
    }
    assert api.get(reverse("analytics:rfm:api"), asked | {"days": "7"}).status_code == 422


def test_an_empty_house_has_an_empty_grid(client):
    client.force_login(make_user(Role.OPERATOR))
    page = client.get(reverse("analytics:rfm:grid"))
    assert page.status_code == 200
    assert page.context["grid"].total.value == 0
