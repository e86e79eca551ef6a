"""What a send earned, against its control; and what it cost, against what is usual."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.results.aftermath import Start, aftermath
from analytics.results.judging import judge
from crm.agents.access import Role
from tests import factories
from tests.analytics.send_world import add_people, made_send, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent():
    return factories.make_agent()


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def send(agent):
    """80 treated: 24 ordered (one gave it back), 20 replied; 20 control: 1 ordered, 5 replied."""
    send = made_send()
    treated, control = add_people(send, agent, 80), add_people(send, agent, 20, held=True)
    for one in [*treated[:24], control[0]]:
        told(one, "order_paid", send, 2, amount_cents=100_00)
    told(treated[0], "order_refunded", send, 3, amount_cents=100_00)
    told(treated[70], "order_paid", send, 7.5, amount_cents=900_00)  # After the seven days.
    told(treated[71], "order_paid", send, -1, amount_cents=900_00)  # Before it.
    for one in [*treated[:20], *control[:5]]:
        told(one, "message_received", send, 1, agent_id=agent.pk)
    told(treated[5], "friend_deleted_by_customer", send, 1, agent_id=agent.pk)
    return send


def judged(send, user, days=7):
    found = judge(send, days=days, user=user, now=timezone.now())
    return found, {result.outcome: result for result in found.report.results}


def test_arms_are_compared_by_assignment_within_the_days(send, operator):
    found, results = judged(send, operator)
    assert found.report.status == "answered"
    ordered = results["ordered"]
    assert (ordered.treatment.positives, ordered.treatment.n) == (24, 80)
    assert (ordered.control.positives, ordered.control.n) == (1, 20)
    assert ordered.verdict == "higher"
    assert results["money"].treatment.total == pytest.approx(2300)
    assert results["replied"].verdict == "no_evidence"
    assert results["deleted"].treatment.positives == 1
    assert judged(send, operator, days=14)[1]["ordered"].treatment.positives == 25


def test_whoever_was_planned_and_missed_counts_as_treated_and_is_told(send, operator):
    send.recipients.filter(reason="").order_by("pk").first().delete()
    row = send.recipients.filter(reason="").order_by("pk").first()
    row.state, row.reason = "skipped", "not_friend"
    row.save()
    found, results = judged(send, operator)
    assert results["ordered"].treatment.n == 79
    assert found.contamination.treated_missed == 1


def test_other_sends_to_the_control_are_told_as_contamination(send, agent, operator):
    other = made_send(days_ago=8)
    held = send.recipients.filter(reason="control").first()
    other.recipients.create(customer=held.customer, agent=agent, state="done")
    late = made_send(days_ago=1)
    late.recipients.create(customer=held.customer, agent=agent, state="done")
    found, _results = judged(send, operator)
    assert (found.contamination.control_touched, found.contamination.treated_touched) == (1, 0)


def test_without_a_control_it_is_unproven(agent, operator, client):
    send = made_send(percent=0)
    add_people(send, agent, 30)
    found, results = judged(send, operator)
    assert found.report.status == "unproven"
    assert not results
    page = client.get(reverse("analytics:results:send", args=[send.pk])).content.decode()
    assert "未证明：这次群发没有留对照组" in page


def test_arms_that_do_not_fit_the_draw_show_no_result(agent, operator, client):
    send = made_send(percent=20)
    add_people(send, agent, 80)
    add_people(send, agent, 80, held=True)
    assert judged(send, operator)[0].report.status == "sample_ratio"
    page = client.get(reverse("analytics:results:send", args=[send.pk])).content.decode()
    assert "不显示结果" in page
    assert "更高" not in page


def test_before_the_days_are_over_there_is_no_verdict(send, operator, client):
    send.send_at = timezone.now() - timedelta(days=5)
    send.save()
    page = client.get(reverse("analytics:results:send", args=[send.pk])).content.decode()
    assert "尚早，不下结论" in page
    answer = client.get(reverse("analytics:results:api", args=[send.pk])).json()
    assert (answer["status"], answer["is_over"]) == ("too_early", False)


def test_a_lead_sees_the_own_people_and_a_send_of_others_is_not_there(send, agent, client):
    root = factories.make_department()
    team = factories.make_department(parent=root)
    other = factories.make_agent(department=team)
    lead = factories.make_user(Role.LEAD, departments=[team])
    client.force_login(lead)
    url = reverse("analytics:results:send", args=[send.pk])
    assert client.get(url).status_code == 404
    add_people(send, other, 4)
    assert client.get(url).status_code == 200
    assert len(judged(send, lead)[0].found.ids) == 4


def test_every_number_opens_into_as_many_people(send, operator, client):
    page = client.get(reverse("analytics:results:send", args=[send.pk])).content.decode()
    links = re.findall(r'data-figure="(\d+)" href="([^"]+)"', page)
    assert len(links) >= 9
    for value, href in links:
        listed = client.get(unescape(href).replace("/people/", "/people/"))
        assert listed.status_code == 200
        name, query = re.search(r"/people/([\w-]+)/\?(.*)", unescape(href)).groups()
        body = client.get(f"/api/v1/analytics/people/{name}?{query}").json()
        assert body["count"] == int(value)
    got = client.get(reverse("analytics:results:export", args=[send.pk]))
    rows = list(csv.reader(io.StringIO(b"".join(got).decode("utf-8-sig"))))
    assert len(rows) == 5
    assert rows[1][1:4] == ["80", "0.3", "20"]


@pytest.mark.parametrize("query", ["", "send=x&arm=treated", "send={pk}&arm=nobody",
                                   "send={pk}&arm=treated&outcome=joy"])  # fmt: skip
def test_numbers_that_are_none_are_refused(send, operator, client, query):
    url = reverse("analytics:figures:people", args=["send-result"])
    assert client.get(f"{url}?{query.format(pk=send.pk)}").status_code == 422


def test_deletions_after_a_send_stand_against_the_account_s_usual(agent):
    user, calm = factories.make_user(Role.OPERATOR), factories.make_agent()
    start = timezone.now() - timedelta(days=5)

    def deleted(who, hours: float, n: int) -> None:
        for _n in range(n):
            friend = factories.make_friend(who)
            at = start + timedelta(hours=hours)
            factories.make_fact(friend, "friend_deleted_by_customer", at, agent_id=who.pk)

    for window in range(14):
        deleted(agent, -48 * window - 20, 1)
        deleted(calm, -48 * window - 20, 2)
    deleted(agent, 5, 6)
    deleted(agent, 48.5, 9)  # Too late.
    deleted(agent, -48 * 14 - 1, 9)  # Too early.
    deleted(calm, 5, 2)
    found = {
        row.agent_id: row
        for row in aftermath([Start(1, one.pk, start) for one in (agent, calm)], user)
    }
    assert (found[agent.pk].deletions, found[agent.pk].usual) == (6, 1.0)
    assert found[agent.pk].is_high
    assert (found[calm.pk].deletions, found[calm.pk].usual) == (2, 2.0)
    assert not found[calm.pk].is_high
