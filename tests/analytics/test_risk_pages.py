"""The page of the risk: how sure in words, cells that open, money at stake, files and API."""

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from analytics.rfm.layers import LAYERS
from analytics.risk.layers import BANDS, lines, people
from analytics.risk.learning import learn
from crm.agents.access import Role
from crm.customers.models import Customer
from crm.risk.actions import Learned, publish_model
from crm.risk.keeping import keep_risks
from crm.risk.models import CustomerRisk, RiskModel
from tests.factories import make_agent, make_department, make_friend, make_order, make_user
from tests.risk_world import crowd, make_model, told

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)


@pytest.fixture
def world():
    """Friends with orders in and out of the year, scored by a model."""
    pairs = crowd(11, NOW, people=16)
    Customer.unsafe_all.update(known_since=NOW - timedelta(days=400))
    for n, (customer, _agent) in enumerate(pairs):
        for days in (10, 200, 380)[: n % 4]:
            make_order(customer, paid_at=NOW - timedelta(days=days), amount_cents=10_000 * (n + 1))
    make_model(NOW, came_back=1.5, unanswered=0.8)
    keep_risks(now=NOW)
    return pairs


def test_cells_add_up_open_into_their_people_and_money_is_chance_times_the_year(world):
    operator = make_user(Role.OPERATOR)
    rows, total = lines(user=operator, now=NOW)
    assert [row.layer for row in rows] == list(LAYERS)
    for row in [*rows, total]:
        for band in BANDS:
            ids = people(user=operator, now=NOW, layer=row.layer, band=band)
            assert len(ids) == row.bands[band]
        ids = people(user=operator, now=NOW, layer=row.layer)
        expected = at_risk = high = 0
        for kept in CustomerRisk.unsafe_all.filter(customer__in=ids):
            orders = kept.customer.orders.filter(paid_at__gt=NOW - timedelta(days=365))
            year = sum(order.amount_cents for order in orders)
            expected += kept.probability
            at_risk += kept.probability * year
            high += year if kept.band == "high" else 0
        assert row.expected == pytest.approx(expected)
        assert abs(row.at_risk_cents - at_risk) <= len(LAYERS) * len(BANDS)
        assert row.high_cents == high
    assert total.people == sum(row.people for row in rows) == len(world)
    assert 0 < total.bands["high"] < len(world)


def test_a_lead_counts_their_own_people_only(world):
    department = make_department(parent=make_department())
    agent = world[0][1]
    agent.department = department
    agent.save()
    lead = make_user(Role.LEAD, departments=[department])
    _rows, total = lines(user=lead, now=NOW)
    assert total.people == Customer.objects.for_user(lead).filter(risk__isnull=False).count()
    assert 0 < total.people < len(world)


def test_page_files_and_api_tell_the_same(world, client):
    manager = make_user(Role.MANAGER, departments=[make_department()])
    rows, total = lines(user=manager, now=NOW)
    client.force_login(manager)
    page = client.get(reverse("analytics:risk:risk")).content.decode()
    assert "AUC 0.70，95% 区间 0.65–0.75" in page
    assert "risk-calibration-figure" in page
    assert "从 1 次到 5 次" in page
    assert reverse("analytics:figures:people", args=["risk"]) + "?band=high" in page
    answer = client.get(reverse("analytics:risk:export"))
    file = b"".join(answer).decode("utf-8-sig")
    table = list(csv.reader(io.StringIO(file)))
    assert len(table) == len(LAYERS) + 2
    assert float(table[-1][-1]) == total.at_risk_cents / 100
    test = b"".join(client.get(reverse("analytics:risk:export"), {"table": "calibration"}))
    assert len(test.decode().strip().splitlines()) == 2
    assert client.get(reverse("analytics:risk:export"), {"format": "xlsx"}).status_code == 200
    api = APIClient()
    api.force_authenticate(make_user(Role.SERVICE))
    assert api.get(reverse("analytics:risk:api")).status_code in (200, 403)
    api.force_authenticate(manager)
    told_json = api.get(reverse("analytics:risk:api")).json()
    assert [row["at_risk_cents"] for row in told_json["layers"]] == [r.at_risk_cents for r in rows]
    assert told_json["model"]["version"] == 1


def test_a_number_opens_into_its_people_and_a_wrong_one_is_refused(world, client):
    client.force_login(make_user(Role.OPERATOR))
    address = reverse("analytics:figures:people", args=["risk"])
    ids = people(user=make_user(Role.OPERATOR), now=NOW, band="high")
    page = client.get(address, {"band": "high"}).content.decode()
    assert all(Customer.unsafe_all.get(pk=pk).name in page for pk in ids)
    assert client.get(address, {"band": "purple"}).status_code in (404, 422)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("none", "还没有学习过"),
        ("small", "至少要 70 次"),
        ("no_better", "不比平均数准"),
        ("withdrawn", "模型已停用"),
    ],
)
def test_without_a_trusted_model_the_page_says_so_and_shows_no_probability(client, state, words):
    crowd(2, NOW)
    if state == "small":
        learn(now=NOW)
    elif state == "no_better":
        ranking = {"value": 0.51, "low": 0.45, "high": 0.57}
        validation = {"auc": ranking, "brier": 0.02, "brier_of_base_rate": 0.019}
        publish_model(Learned("no_better", {}, validation=validation), by=None, now=NOW)
    elif state == "withdrawn":
        make_model(NOW)
        RiskModel.objects.update(is_withdrawn=True)
    keep_risks(now=NOW)
    client.force_login(make_user(Role.OPERATOR))
    page = client.get(reverse("analytics:risk:risk")).content.decode()
    assert words in page
    assert "不给出可能性" in page
    _rows, total = lines(user=make_user(Role.OPERATOR), now=NOW)
    assert (total.expected, total.at_risk_cents) == (None, None)


def test_an_empty_house_is_told_that_nothing_was_worked_out(client):
    client.force_login(make_user(Role.OPERATOR))
    assert "还没有算过" in client.get(reverse("analytics:risk:risk")).content.decode()


@pytest.mark.parametrize("has_model", [True, False])
def test_the_profile_names_band_and_reasons(client, has_model):
    agent = make_agent(name="王顾问")
    customer = make_friend(agent, added_at=NOW - timedelta(days=10))
    told(customer, agent, "friend_deleted_by_customer", NOW - timedelta(days=3))
    if has_model:
        make_model(NOW, came_back=4.0)
    keep_risks(now=NOW)
    client.force_login(make_user(Role.OPERATOR))
    card = client.get(reverse("crm:risk:card", args=[customer.pk])).content.decode()
    assert "曾经删除过员工" in card
    assert "王顾问" in card
    assert ("50.0%" in card) is has_model
    assert ("没有经过验证的模型" in card) is not has_model
    stranger = make_friend(make_agent())
    assert "还没有算过" in client.get(reverse("crm:risk:card", args=[stranger.pk])).content.decode()
