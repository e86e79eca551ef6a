"""Which words work: variants by the draw, at planned numbers of people, within the scope."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.results.variant_judging import judge_variants
from crm.acquisition.models import WelcomeSent
from crm.agents.access import Role
from crm.trials.models import TrialArm
from crm.trials.variants import TrialPlan, start_trial
from tests import factories

pytestmark = pytest.mark.django_db
START = timezone.now() - timedelta(days=30)


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def agent():
    return factories.make_agent()


@pytest.fixture
def trial(operator):
    plan = TrialPlan("默认", "", ("欢迎", "很高兴认识您"), 20, 250)
    return start_trial(plan=plan, by=operator, now=START)


def come(trial, agent, number: int, n: int, *, replied: int = 0, day: float = 0) -> list:
    """So many of an arm, of whom some reply within the day."""
    arm = trial.arms.get(number=number)
    friends = []
    for place in range(n):
        at = START + timedelta(days=day, minutes=10 * place + number)
        friend = factories.make_friend(agent, added_at=at)
        WelcomeSent.unsafe_all.create(
            code=f"{trial.pk}-{number}-{day}-{place}", external_userid=friend.external_userid,
            userid=agent.userid, agent=agent, arm=arm, outcome="sent", happened_at=at, queued_at=at,
        )  # fmt: skip
        if place < replied:
            factories.make_fact(
                friend, "message_received", at + timedelta(hours=2), agent_id=agent.pk
            )
        friends.append(friend)
    return friends


def judged(trial, user, now=None):
    return judge_variants(trial, user=user, now=now or timezone.now())


def result(found, outcome: str, label: str):
    return next(r for r in found.report.results if (r.outcome, r.arm) == (outcome, label))


@pytest.fixture
def full(trial, agent):
    """50 control (10 reply), 100 of the first variant (20) and 100 of the second (70)."""
    return [
        come(trial, agent, 0, 50, replied=10),
        come(trial, agent, 1, 100, replied=20),
        come(trial, agent, 2, 100, replied=70),
    ]


def test_each_variant_stands_against_the_control_at_the_last_look(trial, full, operator):
    found = judged(trial, operator)
    assert (found.look, found.status, found.report.ratio.is_alarm) == (5, "answered", False)
    good, plain = result(found, "replied", "版本 2"), result(found, "replied", "版本 1")
    assert (good.treatment.positives, good.control.positives) == (70, 10)
    assert (good.verdict, plain.verdict) == ("higher", "no_evidence")


def test_windows_are_a_day_for_replies_two_for_deletions_a_week_for_orders(
    trial, full, agent, operator
):
    friend, at = full[0][-1], full[0][-1].friend_since
    for kind, hours in [("message_received", 25), ("friend_deleted_by_customer", 49),
                        ("order_paid", 24 * 7 + 1)]:  # fmt: skip
        factories.make_fact(
            friend, kind, at + timedelta(hours=hours), agent_id=agent.pk, amount_cents=100
        )
    before = judged(trial, operator).found.values
    assert [before[name].sum() for name in ("replied", "deleted", "ordered")] == [100, 0, 0]
    for kind, hours in [("message_received", 23), ("friend_deleted_by_customer", 47),
                        ("order_paid", 24 * 7 - 1)]:  # fmt: skip
        factories.make_fact(
            friend, kind, at + timedelta(hours=hours), agent_id=agent.pk, amount_cents=100
        )
    after = judged(trial, operator).found.values
    assert [after[name].sum() for name in ("replied", "deleted", "ordered")] == [101, 1, 1]


def test_words_with_another_agent_count_for_nothing(trial, full, operator):
    other = factories.make_agent()
    friend = full[0][-1]
    factories.make_fact(
        friend, "message_received", friend.friend_since + timedelta(hours=1), agent_id=other.pk
    )
    assert judged(trial, operator).found.values["replied"].sum() == 100


def test_who_comes_again_counts_once_by_the_first_time(trial, full, agent, operator):
    one = full[0][0]
    WelcomeSent.unsafe_all.create(
        code="again", external_userid=one.external_userid, userid=agent.userid, agent=agent,
        arm=trial.arms.get(number=2), outcome="sent", happened_at=START + timedelta(days=1),
        queued_at=START,
    )  # fmt: skip
    assert len(judged(trial, operator).found.ids) == 250


def test_looks_come_with_the_people_and_between_them_nothing_changes(trial, agent, operator):
    come(trial, agent, 0, 12)
    come(trial, agent, 1, 25)
    come(trial, agent, 2, 25)
    found = judged(trial, operator)
    assert (found.look, len(found.found.ids), found.status) == (1, 50, "too_early")
    first = found.as_json()
    come(trial, agent, 2, 5, replied=5, day=1)
    assert judged(trial, operator).as_json() | {"entered": 62} == first
    come(trial, agent, 1, 40, day=29)  # Not yet watched for a week.
    assert judged(trial, operator).look == 1


def test_after_a_variant_is_stopped_nobody_enters_the_comparison(trial, full, agent, operator):
    TrialArm.objects.filter(trial=trial, number=1).update(stopped_at=START + timedelta(days=2))
    come(trial, agent, 2, 30, day=3)
    found = judged(trial, operator)
    assert (found.entered, found.is_cut) == (250, True)


def test_arms_that_do_not_fit_the_draw_show_no_result(trial, agent, operator, client):
    come(trial, agent, 0, 120)
    come(trial, agent, 1, 60)
    come(trial, agent, 2, 70)
    page = client.get(reverse("analytics:results:trial", args=[trial.pk])).content.decode()
    assert "不显示结果" in page
    assert "与对照组的差" not in page


def test_without_a_control_that_came_it_is_unproven(trial, agent, operator, client):
    come(trial, agent, 1, 60)
    page = client.get(reverse("analytics:results:trial", args=[trial.pk])).content.decode()
    assert "未证明" in page


def test_page_numbers_api_and_file_agree_and_open(trial, full, operator, client):
    page = client.get(reverse("analytics:results:trial", args=[trial.pk])).content.decode()
    assert "第 5 次，共 5 次" in page
    links = re.findall(r'data-figure="(\d+)" href="([^"]+)"', page)
    assert len(links) >= 12
    for value, href in links:
        name, query = re.search(r"/people/([\w-]+)/\?(.*)", unescape(href)).groups()
        body = client.get(f"/api/v1/analytics/people/{name}?{query}").json()
        assert body["count"] == int(value)
    answer = client.get(reverse("analytics:results:trial_api", args=[trial.pk])).json()
    assert answer["arms"] == {"对照组": 50, "版本 1": 100, "版本 2": 100}
    got = client.get(reverse("analytics:results:trial_file", args=[trial.pk]))
    rows = list(csv.reader(io.StringIO(b"".join(got).decode("utf-8-sig"))))
    assert rows[2][1:5] == ["版本 2", "100", "0.7", "0.2"]


def test_a_lead_sees_the_own_customers_alone(trial, full, client):
    root = factories.make_department()
    team = factories.make_department(parent=root)
    lead = factories.make_user(Role.LEAD, departments=[team])
    mine = factories.make_agent(department=team)
    come(trial, mine, 2, 4, day=0.5)
    found = judged(trial, lead)
    assert len(found.found.ids) <= 4
    client.force_login(lead)
    assert client.get(reverse("analytics:results:trial", args=[trial.pk])).status_code == 200


@pytest.mark.parametrize("query", ["", "trial={pk}", "trial={pk}&arm=9",
                                   "trial={pk}&arm=1&outcome=joy"])  # fmt: skip
def test_numbers_that_are_none_are_refused(trial, operator, client, query):
    url = reverse("analytics:figures:people", args=["trial-result"])
    assert client.get(f"{url}?{query.format(pk=trial.pk)}").status_code == 422
