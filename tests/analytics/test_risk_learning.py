"""Learning the risk: planted effects come back, noise is called noise, and time runs one way."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from scipy.special import expit

from analytics.risk.fitting import design, fit, odds_of_step
from analytics.risk.judging import auc, brier, deciles
from analytics.risk.learning import TEST_DAYS, judged, learn
from analytics.risk.observations import Observations, observe
from analytics.risk.tasks import learn_due
from crm.risk.features import CODES, FEATURES
from crm.risk.keeping import keep_risks
from crm.risk.models import CustomerRisk, RiskModel
from tests.factories import make_agent, make_friend
from tests.risk_world import told, touched

NOW = timezone.now().replace(microsecond=0)
DAY = timedelta(days=1)
PLANTED = np.array([0.6, 0.8, 0.3, -0.7, -0.5, 0.4, 0.5])


def touches(seed: int, n: int = 16_000, *, shuffled: bool = False) -> Observations:
    """A year of touches whose outcomes follow the planted weights, or follow nothing."""
    dice = np.random.default_rng(seed)
    raw = np.column_stack([dice.uniform(0, feature.most, n) for feature in FEATURES])
    raw[:, 5] = dice.integers(0, 3, n)
    x = design(raw)
    odds = -3.2 + (x - x.mean(axis=0)) / x.std(axis=0) @ PLANTED
    deleted = (dice.random(n) < expit(odds)).astype(np.int8)
    if shuffled:
        dice.shuffle(deleted)
    at = np.sort(NOW.timestamp() - dice.uniform(7, 365, n) * 86_400)
    return Observations(dice.integers(0, n // 4, n), at, deleted, raw)


@pytest.mark.parametrize("seed", range(5))
def test_planted_effects_are_recovered(seed):
    found = judged(touches(seed), now=NOW)
    assert found.verdict == "trusted"
    assert [row["code"] for row in found.weights] == list(CODES)
    weights = np.array([row["weight"] for row in found.weights])
    assert np.abs(weights - PLANTED).max() < 0.15
    assert found.validation["auc"]["low"] > 0.7
    assert found.validation["brier"] < found.validation["brier_of_base_rate"]
    told = [(row["foretold"], row["low"], row["high"]) for row in found.validation["deciles"]]
    assert sum(low <= foretold <= high for foretold, low, high in told) >= 8
    assert odds_of_step(3, found.weights[3]) < 1 < odds_of_step(1, found.weights[1])


def test_of_shuffled_outcomes_nothing_is_foretold():
    held = trusted = 0
    for seed in range(40):
        found = judged(touches(seed, 8_000, shuffled=True), now=NOW)
        held += found.validation["auc"]["low"] <= 0.5 <= found.validation["auc"]["high"]
        trusted += found.verdict == "trusted"
    # 40 intervals of 95 %: fewer than 34 would come about once in 600 times.
    assert held >= 34
    assert trusted <= 4


def test_the_interval_of_the_ranking_is_wider_when_few_people_stand_behind_many_touches():
    dice = np.random.default_rng(1)
    nature = dice.normal(size=100)
    customers = np.repeat(np.arange(100), 30)
    probabilities = expit(nature[customers] - 2)
    deleted = (dice.random(3000) < expit(2 * nature[customers] - 2)).astype(int)
    clustered = auc(probabilities, deleted, customers)
    alone = auc(probabilities, deleted, np.arange(3000))
    assert clustered.value == alone.value
    assert clustered.high - clustered.low > 1.5 * (alone.high - alone.low)


def test_the_ranking_counts_pairs_and_ties_by_half():
    probabilities = np.array([0.1, 0.4, 0.4, 0.8, 0.2])
    deleted = np.array([0, 0, 1, 1, 0])
    pairs = [(0.4, 0.1), (0.4, 0.4), (0.4, 0.2), (0.8, 0.1), (0.8, 0.4), (0.8, 0.2)]
    right = sum(1.0 if one > other else 0.5 if one == other else 0.0 for one, other in pairs)
    assert auc(probabilities, deleted, np.arange(5)).value == pytest.approx(right / 6)
    assert brier(np.array([0.5, 1.0]), np.array([1, 1])) == 0.125
    groups = deciles(np.arange(100) / 100, (np.arange(100) >= 90).astype(int))
    assert [group["x"] for group in groups] == [0] * 9 + [10]


def test_outcomes_of_the_weeks_of_the_test_do_not_reach_the_weights():
    given = touches(3)
    found = judged(given, now=NOW)
    late = given.at >= NOW.timestamp() - (TEST_DAYS + 2 * 7) * 86_400
    assert 0 < late.sum() < len(given)
    given.deleted[late] = 1 - given.deleted[late]
    turned = judged(given, now=NOW)
    assert turned.weights == found.weights
    assert turned.verdict == "no_better"


def test_a_small_history_is_called_small_and_publishes_no_weight():
    found = judged(touches(2, 900), now=NOW)
    assert (found.verdict, found.weights, found.intercept) == ("small", [], None)
    assert found.sample["fit"]["deleted"] < 70
    assert fit(touches(2).raw, touches(2).deleted).weights.shape == (len(FEATURES),)


@pytest.mark.django_db
def test_an_outcome_is_a_deletion_of_that_agent_within_seven_days_of_the_arrival():
    agent, other = make_agent(), make_agent()
    at = NOW - 30 * DAY
    cases = {
        "in time": (agent, 7 * DAY, 1),
        "too late": (agent, 7 * DAY + timedelta(seconds=1), 0),
        "before": (agent, -DAY, 0),
        "another": (other, DAY, 0),
    }
    expected = {}
    for who, after, outcome in cases.values():
        customer = make_friend(agent)
        touched(customer, agent, at)
        told(customer, who, "friend_deleted_by_customer", at + after)
        expected[customer.pk] = outcome
    greeted, young = make_friend(agent), make_friend(agent)
    touched(greeted, agent, at, "greeting")
    touched(young, agent, NOW - 6 * DAY)
    found = observe(now=NOW)
    assert dict(zip(found.customers.tolist(), found.deleted.tolist(), strict=True)) == expected


@pytest.mark.django_db
def test_an_attempt_is_published_once_a_week_and_says_what_it_came_to():
    make_friend(make_agent())
    assert learn_due() == "small"
    assert learn_due() == ""
    model = RiskModel.objects.get()
    assert model.sample["fit"] == {
        "touches": 0, "deleted": 0, "customers": 0, "from": None, "to": None,
    }  # fmt: skip
    assert learn(now=timezone.now()).version == 2
    keep_risks(now=timezone.now())
    assert CustomerRisk.unsafe_all.get().probability is None
