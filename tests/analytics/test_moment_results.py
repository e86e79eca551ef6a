"""What a post earned against the people kept out of its tag."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.results.moment_judging import judge_moment
from crm.agents.access import Role
from crm.moments.models import Moment, MomentAudience, MomentTask
from crm.trials.models import Assignment, Trial
from tests import factories
from tests.analytics.send_world import made_send

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent():
    return factories.make_agent()


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def made_moment(agent, *, days_ago: float = 10, percent: int = 20, **more) -> Moment:
    at = timezone.now() - timedelta(days=days_ago)
    trial = Trial.unsafe_all.create(salt="s", control_percent=percent, drawn_at=at)
    moment = Moment.unsafe_all.create(
        title="三亚早鸟", publish_at=at, publish_wall="10:00", content_hash="x", state="done",
        wecom_moment_id="m1", control_percent=percent, trial=trial, **more,
    )  # fmt: skip
    MomentTask.unsafe_all.create(moment=moment, agent=agent, is_published=True, published_at=at)
    return moment


def add_people(moment: Moment, agent, n: int, arm: int) -> list:
    friends = [factories.make_friend(agent) for _n in range(n)]
    Assignment.unsafe_all.bulk_create(
        Assignment(trial=moment.trial, customer=one, arm=arm, agent=agent, at=moment.publish_at)
        for one in friends
    )
    return friends


def told(customer, kind: str, moment: Moment, days: float, **more) -> None:
    factories.make_fact(customer, kind, moment.publish_at + timedelta(days=days), **more)


def shown(moment: Moment, customer) -> None:
    task = moment.tasks.get()
    MomentAudience.unsafe_all.create(task=task, customer=customer, seen_at=moment.publish_at)


@pytest.fixture
def moment(agent):
    """80 drawn to see it, of whom 30 order and 70 can see it; 20 kept out, of whom 1 orders."""
    moment = made_moment(agent)
    treated, held = add_people(moment, agent, 80, 1), add_people(moment, agent, 20, 0)
    for one in [*treated[:30], held[0]]:
        told(one, "order_paid", moment, 2, amount_cents=100_00)
    told(treated[40], "order_paid", moment, 8, amount_cents=100_00)
    for one in [*treated[:70], held[1]]:
        shown(moment, one)
    return moment


def judged(moment, user, days=7):
    return judge_moment(moment, days=days, user=user, now=timezone.now())


def test_arms_count_by_the_draw_and_not_by_who_could_see_it(moment, operator):
    found = judged(moment, operator)
    ordered = found.report.results[0]
    assert (found.status, found.report.ratio.is_alarm) == ("answered", False)
    assert (ordered.treatment.positives, ordered.treatment.n) == (30, 80)
    assert (ordered.control.positives, ordered.control.n) == (1, 20)
    assert ordered.verdict == "higher"
    assert (found.contamination.treated_missed, found.contamination.control_reached) == (10, 1)


def test_what_else_reached_the_control_is_told(moment, agent, operator):
    held = Assignment.unsafe_all.filter(trial=moment.trial, arm=0).order_by("pk")
    other = made_send(days_ago=8)
    other.recipients.create(customer=held[2].customer, agent=agent, state="done")
    told(held[3].customer, "moment_visible", moment, 1, properties={"moment": moment.pk + 1})
    told(held[4].customer, "moment_visible", moment, 1, properties={"moment": moment.pk})
    assert judged(moment, operator).contamination.control_touched == 2


def test_the_page_shows_lift_and_every_number_opens(moment, operator, client):
    page = client.get(reverse("analytics:results:moment", args=[moment.pk])).content.decode()
    assert "与对照组比较" in page
    assert "不等于看过" in page
    assert "更高" in page
    links = [
        (value, unescape(href))
        for value, href in re.findall(r'data-figure="(\d+)" href="([^"]+)"', page)
        if "moment-result" in href
    ]
    assert len(links) >= 6
    for value, href in links:
        name, query = re.search(r"/people/([\w-]+)/\?(.*)", href).groups()
        body = client.get(f"/api/v1/analytics/people/{name}?{query}").json()
        assert body["count"] == int(value)


def test_api_and_file_say_the_same(moment, operator, client):
    answer = client.get(reverse("analytics:results:moment_api", args=[moment.pk])).json()
    assert (answer["moment"], answer["status"]) == (moment.pk, "answered")
    assert answer["results"][0]["difference"]["value"] == pytest.approx(30 / 80 - 1 / 20)
    got = client.get(reverse("analytics:results:moment_file", args=[moment.pk]))
    rows = list(csv.reader(io.StringIO(b"".join(got).decode("utf-8-sig"))))
    assert len(rows) == 5
    assert rows[1][1:5] == ["80", "0.375", "20", "0.05"]


def test_without_a_control_it_is_unproven_everywhere(agent, operator, client):
    moment = made_moment(agent)
    Moment.unsafe_all.filter(pk=moment.pk).update(trial=None, control_percent=0)
    page = client.get(reverse("analytics:results:moment", args=[moment.pk])).content.decode()
    assert "未证明：这条朋友圈没有留对照组" in page
    assert "与对照组比较" not in page
    answer = client.get(reverse("analytics:results:moment_api", args=[moment.pk])).json()
    assert answer["status"] == "unproven"
    got = client.get(reverse("analytics:results:moment_file", args=[moment.pk]))
    assert len(b"".join(got).decode("utf-8-sig").splitlines()) == 1


def test_arms_that_do_not_fit_the_draw_show_no_result(agent, operator, client):
    moment = made_moment(agent, percent=20)
    add_people(moment, agent, 60, 1)
    add_people(moment, agent, 60, 0)
    page = client.get(reverse("analytics:results:moment", args=[moment.pk])).content.decode()
    assert "不显示结果" in page


def test_a_lead_sees_the_own_people_and_no_post_of_others(moment, agent, client):
    root = factories.make_department()
    team = factories.make_department(parent=root)
    lead = factories.make_user(Role.LEAD, departments=[team])
    client.force_login(lead)
    urls = [
        reverse(f"analytics:results:{name}", args=[moment.pk]) for name in ("moment", "moment_file")
    ]
    assert [client.get(url).status_code for url in urls] == [404, 404]
    other = factories.make_agent(department=team)
    MomentTask.unsafe_all.create(moment=moment, agent=other)
    add_people(moment, other, 4, 1)
    assert len(judged(moment, lead).found.ids) == 4


@pytest.mark.parametrize(
    "query", ["", "moment={pk}", "moment={pk}&arm=nobody", "moment={pk}&arm=treated&outcome=joy"]
)
def test_numbers_that_are_none_are_refused(moment, operator, client, query):
    url = reverse("analytics:figures:people", args=["moment-result"])
    assert client.get(f"{url}?{query.format(pk=moment.pk)}").status_code == 422
