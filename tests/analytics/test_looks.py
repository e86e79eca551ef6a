"""Early looks: the error over many peeks, and what the page of a send says at each."""

from datetime import timedelta

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.experiments.analysis import Plan, Trial, analyse
from analytics.experiments.effects import Interval
from analytics.experiments.looking import information_of
from analytics.experiments.sequential import spent_boundaries
from analytics.results.judging import judge
from analytics.results.looking import Looking
from crm.agents.access import Role
from tests import factories
from tests.analytics.send_world import add_people, made_send, told

CAMPAIGNS, LOOKS, PEOPLE = 400, 7, 1_500


def test_boundaries_of_five_even_looks_are_the_published_ones():
    """Lan-DeMets with O'Brien-Fleming's shape, two-sided 5 % (Jennison & Turnbull 2000)."""
    found = spent_boundaries((1, 2, 3, 4, 5), 5)
    assert found == pytest.approx((4.8769, 3.3569, 2.6803, 2.2898, 2.0310), abs=0.002)


def test_a_look_at_nothing_has_no_boundary_and_leaves_its_share_to_the_next():
    found = spent_boundaries((0.0, 1.0), 2)
    assert found[0] == float("inf")
    assert found[1] == pytest.approx(1.96, abs=0.001)


def test_looks_that_saw_the_same_need_no_more_than_one():
    assert spent_boundaries((1.0, 1.0, 1.0), 3)[-1] == pytest.approx(1.96, abs=0.03)


def test_information_of_yes_or_no_is_the_ratio_of_the_odds():
    early = np.repeat([1.0, 0.0], [100, 900])
    late = np.repeat([1.0, 0.0], [200, 800])
    assert information_of([early, late]) == pytest.approx((0.4444, 1.0), abs=1e-3)


def test_an_interval_for_a_boundary_of_1_96_is_itself():
    fixed = Interval(0.2, 0.1, 0.4)
    assert fixed.for_boundary(1.959964) == fixed
    assert fixed.z == pytest.approx(1.959964 * 2)
    assert fixed.for_boundary(fixed.z).low == pytest.approx(0)


def campaign(rng, *, lift: float = 0.0) -> Trial:
    """Orders that come fast at first; in the treatment arm so many more, from the first day."""
    arm = np.repeat([0, 1], [PEOPLE // 3, PEOPLE - PEOPLE // 3])
    rate = 0.12 * (1 + lift * arm)
    day = np.where(rng.random(PEOPLE) < rate, rng.exponential(2.5, PEOPLE), np.inf)
    looks = [(day < look).astype(float) for look in range(1, LOOKS + 1)]
    return Trial(("control", "treated"), True, arm, {"ordered": looks[-1]}, {},
                 earlier={"ordered": looks[:-1]})  # fmt: skip


def crossings(lift: float = 0.0) -> list:
    """What the page's rule says of each campaign at its last look, having looked at every one."""
    rng = np.random.default_rng(11)
    plan = Plan({"control": 1, "treated": 2}, looks=LOOKS, look=LOOKS, shape="spending")
    reports = [analyse(campaign(rng, lift=lift), plan) for _n in range(CAMPAIGNS)]
    return [report.results[0].looks for report in reports if report.results]


def test_the_rule_of_the_page_keeps_the_error_over_all_looks():
    """Nothing is there, and somebody looks seven times: at most one in twenty is called a find."""
    wrong = sum(looks.crossed is not None for looks in crossings())
    assert wrong <= 0.05 * CAMPAIGNS + 3 * (CAMPAIGNS * 0.05 * 0.95) ** 0.5


def test_the_twin_that_takes_each_look_for_the_only_one_fools_itself():
    def is_fooled(looks) -> bool:
        return any(look.is_enough and abs(look.z) > 1.96 for look in looks.reached)

    assert sum(map(is_fooled, crossings())) > 0.09 * CAMPAIGNS


def test_a_great_effect_is_found_before_the_end():
    early = [looks for looks in crossings(lift=1.0) if looks.crossed and looks.crossed.number < 6]
    assert len(early) > 0.6 * CAMPAIGNS
    assert all(looks.verdict == "higher" for looks in early)


def test_intervals_of_all_looks_hold_the_truth_at_once():
    rng = np.random.default_rng(5)
    plan = Plan({"control": 1, "treated": 2}, looks=LOOKS, look=LOOKS, shape="spending")
    missed = 0
    for _n in range(CAMPAIGNS):
        looks = analyse(campaign(rng, lift=0.5), plan).results[0].looks
        truth = [0.06 * (1 - np.exp(-day / 2.5)) for day in range(1, LOOKS + 1)]
        missed += any(
            look.is_enough and not look.interval.low <= true <= look.interval.high
            for look, true in zip(looks.reached, truth, strict=True)
        )
    assert missed <= 0.05 * CAMPAIGNS + 3 * (CAMPAIGNS * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize(
    ("hours", "reached", "over"), [(-5, 0, False), (23, 0, False), (47, 1, False), (168, 7, True),
                                   (900, 7, True)],
)  # fmt: skip
def test_looks_are_a_day_apart_and_end_with_the_days(hours, reached, over):
    now = timezone.now()
    looking = Looking.at(now, since=now - timedelta(hours=hours), days=7)
    assert (looking.reached, looking.is_over) == (reached, over)


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def page_of(client, send, days: int = 7) -> str:
    return client.get(
        reverse("analytics:results:send", args=[send.pk]), {"days": days}
    ).content.decode()


def ordering_send(*, days_ago: float, treated: int, held: int):
    """200 to 100; so many of each order on the first day."""
    send, agent = made_send(days_ago=days_ago, percent=33), factories.make_agent()
    arms = add_people(send, agent, 200), add_people(send, agent, 100, held=True)
    for people, n in zip(arms, (treated, held), strict=True):
        for one in people[:n]:
            told(one, "order_paid", send, 0.5, amount_cents=100_00)
    return send


@pytest.mark.django_db
def test_before_the_first_look_nothing_is_compared(client, operator):
    send = ordering_send(days_ago=0.8, treated=100, held=10)
    page = page_of(client, send)
    assert "还没到第一次查看" in page
    assert "更高" not in page
    answer = client.get(reverse("analytics:results:api", args=[send.pk])).json()
    assert (answer["status"], answer["results"], answer["looks"]["look"]) == ("too_early", [], 0)


@pytest.mark.django_db
def test_a_lead_that_one_look_alone_would_believe_is_too_early(client, operator):
    send = ordering_send(days_ago=3.5, treated=60, held=17)
    found = judge(send, days=7, user=operator, now=timezone.now())
    ordered = found.report.results[0]
    assert ordered.effect.difference.excludes_zero
    assert (found.status, ordered.verdict) == ("too_early", "too_early")
    page = page_of(client, send)
    assert "第 3 次查看，共计划 7 次" in page
    assert "尚早，不要下结论" in page


@pytest.mark.django_db
def test_a_boundary_that_is_crossed_says_so_and_the_api_too(client, operator):
    send = ordering_send(days_ago=4.5, treated=120, held=15)
    page = page_of(client, send)
    assert "已越界" in page
    assert "次查看时越界" in page
    answer = client.get(reverse("analytics:results:api", args=[send.pk])).json()
    assert (answer["status"], answer["looks"]["look"]) == ("crossed", 4)
    assert answer["results"][0]["sequential"]["crossed_at"] <= 4


@pytest.mark.django_db
def test_between_two_looks_the_page_stays_the_same(operator):
    send = ordering_send(days_ago=3.2, treated=60, held=17)
    now = timezone.now()
    before = judge(send, days=7, user=operator, now=now).as_json()
    customer = send.recipients.filter(reason="control").last().customer
    told(customer, "order_paid", send, 3.1, amount_cents=1_00)
    assert judge(send, days=7, user=operator, now=now).as_json() == before
    after = judge(send, days=7, user=operator, now=now + timedelta(days=1)).as_json()
    assert after["results"][0]["control"]["x"] == 18


@pytest.mark.django_db
def test_a_find_among_many_that_chance_explains_is_not_called_one(client, operator):
    """Replies alone would be a find; with three outcomes beside the first they are not."""
    send, agent = made_send(percent=33), factories.make_agent()
    arms = add_people(send, agent, 200), add_people(send, agent, 100, held=True)
    for people, n in zip(arms, (44, 11), strict=True):
        for one in people[:n]:
            told(one, "message_received", send, 0.5)
    found = judge(send, days=7, user=operator, now=timezone.now())
    replied = next(r for r in found.report.results if r.outcome == "replied")
    assert replied.interval.excludes_zero
    assert replied.is_lost_among_many
    page = page_of(client, send)
    assert "几项一起看，还看不出差别" in page
    assert "Benjamini–Hochberg" in page


@pytest.mark.django_db
def test_few_events_are_not_enough_to_stop_early_however_far_apart(client, operator):
    """Nobody of the control ordered: neither orders nor money may be called before the end."""
    send = ordering_send(days_ago=4.5, treated=120, held=0)
    found = judge(send, days=7, user=operator, now=timezone.now())
    results = {result.outcome: result for result in found.report.results}
    assert abs(results["ordered"].looks.latest.z) > results["ordered"].looks.latest.boundary
    assert {results[name].verdict for name in ("ordered", "money")} == {"too_early"}
    assert "才提前认定" in page_of(client, send)
    over = judge(send, days=2, user=operator, now=timezone.now())
    assert over.report.results[0].verdict == "higher"
