"""Reply times: a log counted by hand, logs at random, and one number everywhere it stands."""

import csv
import io
import random
import re
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from html import unescape
from itertools import count

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from analytics.dashboards.agents import Range, agent_figures
from analytics.replies.queries import reply_times
from analytics.replies.question import RepliesQuestion
from analytics.replies.survival import waits
from crm.agents.access import Role
from crm.shared.times import day_start
from crm.timeline.actions import NewFact, append_facts
from crm.worktime.models import Shift
from tests.analytics import replies_oracle as oracle
from tests.factories import make_agent, make_department, make_fact, make_friend, make_user

pytestmark = pytest.mark.django_db
PAGE, FILE = reverse("analytics:replies:replies"), reverse("analytics:replies:export")
KINDS = {"customer": "message_received", "agent": "message_sent"}
MONTH = RepliesQuestion(date(2026, 11, 1), date(2026, 11, 30))
AS_OF = datetime(2026, 11, 11, 4, 0, tzinfo=UTC)  # Wednesday noon in Shanghai.


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=oracle.ZONE)


def talk(agent, *said: tuple[str, str], **more):
    """A new friend of the agent, and what was said: ("customer", "2026-11-02T10:00") …"""
    friend = make_friend(agent)
    for who, when in said:
        make_fact(friend, KINDS[who], local(when), agent_id=agent.pk, **more)
    return friend


def asked(user=None, question=MONTH, now=AS_OF):
    return reply_times(question, user=user or make_user(Role.OPERATOR), now=now)


def only(question=MONTH, now=AS_OF):
    [row] = asked(question=question, now=now).rows
    return row


def hand_log(agent) -> None:
    talk(agent, ("customer", "2026-11-02T10:00"), ("agent", "2026-11-02T10:02"))
    # At night, across midnight: five minutes by the calendar, none of them at work.
    talk(agent, ("customer", "2026-11-03T23:58"), ("agent", "2026-11-04T00:03"))
    # Over a weekend: ten minutes on Friday and twenty on Monday are work.
    talk(
        agent,
        ("customer", "2026-11-06T17:50"),
        ("customer", "2026-11-06T17:55"),
        ("agent", "2026-11-09T09:20"),
    )
    # Never answered: given up after seven days, 45 of whose hours were work.
    talk(agent, ("customer", "2026-11-04T12:00"))
    # Still waiting since yesterday evening, three hours of it at work.
    talk(agent, ("customer", "2026-11-10T20:00"))


def test_a_log_with_nights_and_a_weekend_counts_as_by_hand():
    hand_log(make_agent())
    row = only()
    assert (row.turns, row.answered, row.unanswered, row.off_hours) == (5, 3, 2, 2)
    assert (row.customers, row.customers_unanswered, row.customers_off_hours) == (5, 2, 2)
    # By the calendar 2 min, 5 min, (16 h), 63.5 h, (168 h): answered 1/5, 2/5, then 7/10.
    assert row.calendar.times.tolist() == [120, 300, 63.5 * 3600]
    assert row.calendar.answered == pytest.approx([0.2, 0.4, 0.7])
    # At work 0, 2 min, 30 min, (3 h), (45 h): answered 1/5, 2/5, 3/5.
    assert row.working.times.tolist() == [0, 120, 1800]
    assert row.working.answered == pytest.approx([0.2, 0.4, 0.6])
    assert (row.calendar.quantile(0.5), row.working.quantile(0.5)) == (63.5 * 3600, 1800)
    assert (row.calendar.quantile(0.9), row.working.quantile(0.9)) == (None, None)
    # WeCom asks whether the answer came on the same day: at midnight it did not.
    assert (row.same_day.x, row.same_day.n) == (1, 5)


def test_holidays_are_not_waited_through_and_make_up_workdays_are():
    agent = make_agent()
    talk(agent, ("customer", "2026-10-01T10:00"), ("agent", "2026-10-08T09:10"))
    talk(agent, ("customer", "2026-10-10T10:00"), ("agent", "2026-10-10T10:30"))  # A Saturday.
    row = only(RepliesQuestion(date(2026, 10, 1), date(2026, 10, 31)))
    assert row.working.times.tolist() == [600, 1800]


def test_each_agent_is_measured_by_the_own_roster():
    early, late = make_agent(name="甲"), make_agent(name="乙")
    Shift.objects.create(
        name="晚班", agent=late, weekdays=list(range(7)), starts=time(20), ends=time(2)
    )
    for agent in (early, late):
        talk(agent, ("customer", "2026-11-03T23:58"), ("agent", "2026-11-04T00:03"))
    rows = {row.name: row for row in asked().rows}
    assert rows["甲"].working.quantile(0.5) == 0
    assert rows["乙"].working.quantile(0.5) == 300
    assert (rows["甲"].off_hours, rows["乙"].off_hours) == (1, 0)


def test_what_a_machine_sent_is_no_answer():
    agent = make_agent()
    friend = talk(agent, ("customer", "2026-11-02T10:00"))
    when = local("2026-11-02T10:00:01")
    make_fact(friend, "message_sent", when, agent_id=agent.pk, properties={"machine": True})
    assert only().answered == 0
    make_fact(friend, "message_sent", local("2026-11-02T10:30"), agent_id=agent.pk)
    assert only().calendar.times.tolist() == [1800]


def test_what_was_said_after_the_moment_asked_about_is_not_known_yet():
    talk(make_agent(), ("customer", "2026-11-11T11:00"), ("agent", "2026-11-11T12:30"))
    assert only().unanswered == 1
    assert only(now=AS_OF + timedelta(hours=1)).unanswered == 0


def test_without_an_answer_there_is_no_median_but_a_word():
    seconds = np.array([60.0, 120.0])
    assert waits(seconds, np.array([False, False])).quantile(0.5) is None
    assert waits(seconds, np.array([True, False])).quantile(0.5) == 60
    assert waits(np.empty(0), np.empty(0, dtype=bool)).quantile(0.5) is None


# ── logs at random against the slow reckoning ─────────────────


def random_talk(dice: random.Random) -> list[tuple[datetime, str]]:
    """Messages on few instants, so that many share one; some silences are longer than a week."""
    at, said = datetime(2026, 10, 29, tzinfo=UTC), []
    for _message in range(dice.randint(0, 30)):
        at += timedelta(
            minutes=dice.choice([0, 0, 1, 7, 7, 60, 60, 60, 600, 900, 2400, 10_080, 10_081])
        )
        said.append((at, dice.choice(["customer", "customer", "agent"])))
    return said


def test_random_logs_agree_with_the_slow_reckoning_for_every_agent():
    dice, keys = random.Random("replies"), count()
    logs = {make_agent(): [random_talk(dice) for _customer in range(8)] for _agent in range(30)}
    facts = []
    for agent, talks in logs.items():
        for said in talks:
            friend = make_friend(agent)
            facts += [
                NewFact(
                    friend.pk,
                    KINDS[who],
                    at,
                    agent_id=agent.pk,
                    source="test",
                    source_key=f"random{next(keys)}",
                )
                for at, who in said
            ]
    append_facts(facts, now=AS_OF)
    answer = asked()
    rows = {row.agent_id: row for row in answer.rows}
    span = {"since": MONTH.since, "until": MONTH.until, "as_of": AS_OF}
    compared = 0
    for agent, talks in logs.items():
        turns = [turn for said in talks for turn in oracle.turns_of(said, **span)]
        row = rows[agent.pk]
        assert (row.turns, row.answered) == (len(turns), sum(turn[2] for turn in turns))
        compared += row.turns
        for known, measure in (
            (row.calendar, lambda start, end: (end - start).total_seconds()),
            (row.working, oracle.worked),
        ):
            lasted = [(measure(start, end), answered) for start, end, answered in turns]
            for share in (Fraction(1, 2), Fraction(9, 10)):
                assert known.quantile(float(share)) == oracle.quantile(lasted, share)
    assert compared > 200
    assert answer.total.turns == sum(row.turns for row in answer.rows)


def test_turns_are_those_of_the_agents_report():
    agent = make_agent()
    hand_log(agent)
    [figures] = agent_figures([agent], Range(MONTH.first, MONTH.last))
    row = only()
    assert (figures.turns, figures.answered) == (row.turns, row.answered)


# ── one number everywhere ─────────────────────────────────────


@pytest.fixture
def house():
    """Two teams, with talk of yesterday and the day before."""
    root = make_department()
    team, other = (make_department(parent=root) for _n in range(2))
    near, far = make_agent(name="近", department=team), make_agent(name="远", department=other)
    yesterday = timezone.now() - timedelta(days=1)
    for agent, answered in ((near, True), (near, False), (far, True), (far, False), (far, False)):
        friend = make_friend(agent)
        start = day_start(yesterday.date()) + timedelta(hours=10)
        make_fact(friend, "message_received", start, agent_id=agent.pk)
        if answered:
            make_fact(friend, "message_sent", start + timedelta(minutes=3), agent_id=agent.pk)
    lead = make_user(Role.LEAD, departments=[team])
    manager = make_user(Role.MANAGER, departments=[root])
    return lead, manager, near, far


def figures(html: str) -> list[tuple[int, str]]:
    found = re.findall(r'data-figure="(\d+)" href="([^"]+)"', html)
    return [(int(value), unescape(href)) for value, href in found]


def test_every_number_opens_into_as_many_people_as_it_says(client, house):
    lead, manager, _near, _far = house
    for user, everybody in ((lead, 2), (manager, 5)):
        client.force_login(user)
        shown = figures(client.get(PAGE).content.decode())
        assert max(value for value, _href in shown) == everybody
        for value, href in shown:
            assert f'data-count="{value}"' in client.get(href).content.decode()
            api = client.get(
                href.replace("/reports/people/replies/", "/api/v1/analytics/people/replies")
            )
            assert (api.json()["count"], len(api.json()["people"])) == (value, value)
            rows = client.get(href.replace("people/replies/", "people/replies/export/"))
            assert len(b"".join(rows).decode().strip().splitlines()) == value + 1


def test_page_file_workbook_and_api_say_the_same(client, house):
    client.force_login(house[1])
    page = client.get(PAGE).context["answer"]
    text = b"".join(client.get(FILE).streaming_content).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert [(row[0], int(row[2]), int(row[3])) for row in rows[1:]] == [
        *((row.name, row.turns, row.answered) for row in page.rows),
        ("合计", 5, 2),
    ]
    body = client.get(reverse("analytics:replies:api")).json()
    assert body["total"]["calendar_median"] is None
    assert [agent["turns"] for agent in body["agents"]] == [row.turns for row in page.rows]
    file = b"".join(client.get(FILE, {"format": "xlsx"}).streaming_content)
    sheet = load_workbook(io.BytesIO(file)).active
    assert [row[2] for row in sheet.iter_rows(min_row=2, values_only=True)] == [2, 3, 5]


def test_a_lead_sees_the_own_team_and_asks_for_others_in_vain(client, house):
    lead, _manager, near, far = house
    client.force_login(lead)
    assert [row.name for row in client.get(PAGE).context["answer"].rows] == ["近"]
    assert client.get(PAGE, {"agent": far.pk}).status_code == 422
    people = reverse("analytics:figures:people", args=["replies"])
    assert client.get(people, {"agent": far.pk}).status_code == 422
    assert client.get(people, {"agent": near.pk}).status_code == 200


@pytest.mark.parametrize("role", [Role.AGENT, Role.OPERATOR, Role.REVIEWER, Role.SERVICE])
def test_nobody_else_sees_how_fast_agents_answer(client, house, role):
    client.force_login(make_user(role))
    api = reverse("analytics:replies:api")
    people = reverse("analytics:figures:people", args=["replies"])
    assert [client.get(address).status_code for address in (PAGE, FILE, api)] == [403] * 3
    assert client.get(people).status_code in (403, 422)


@pytest.mark.parametrize(
    "wrong",
    [
        {"from": "yesterday"},
        {"from": "2026-02-30"},
        {"to": "2099-01-01"},
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "2020-01-01", "to": "2026-11-01"},
        {"days": "-1"},
        {"days": "9999"},
        {"department": "x"},
        {"agent": "9" * 18},
    ],
)
def test_a_question_without_an_answer_is_refused_with_words_everywhere(client, house, wrong):
    client.force_login(house[1])
    people = reverse("analytics:figures:people", args=["replies"])
    for address in (PAGE, FILE, reverse("analytics:replies:api"), people):
        assert client.get(address, wrong).status_code == 422, address


def test_without_talk_the_page_says_so(client):
    make_agent()
    root = make_department()
    client.force_login(make_user(Role.MANAGER, departments=[root]))
    assert client.get(PAGE).status_code == 200


def test_waits_are_ordered_with_few_turns_last(client, house):
    _lead, manager, near, _far = house
    third = make_agent(name="丙", department=near.department)
    for _turn in range(31):
        talk(third, ("customer", "2026-11-02T10:00"), ("agent", "2026-11-02T10:02"))
    client.force_login(manager)
    response = client.get(PAGE, {"from": "2026-11-01", "sort": "-working"})
    assert response.context["lines"][0].row.name == "丙"
    assert response.context["lines"][0].working == "2 分"
