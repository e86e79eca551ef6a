"""The standing journey: equal to the funnel's own engine, cell by cell; every number opens."""

import csv
import io
import random
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.events.live import LiveSource
from analytics.funnels.engine import answer
from analytics.funnels.question import Question, Step
from analytics.standing.journey import JourneyQuestion
from analytics.standing.queries import journey
from crm.agents.access import Role
from crm.shared.times import local_day
from crm.timeline.catalogue import STANDARD_JOURNEY
from tests import factories
from tests.analytics.test_retention_pages import figures

pytestmark = pytest.mark.django_db
PAGE, FILE, API = (
    "analytics:standing:journey",
    "analytics:standing:export",
    "analytics:standing:api",
)


@pytest.fixture(autouse=True)
def _own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


@pytest.fixture
def house():
    """Two teams; journeys of every length that began over the last fifty days."""
    chance, now = random.Random(5), timezone.now()
    root = factories.make_department()
    teams = [factories.make_department(parent=root) for _n in range(2)]
    agents = [factories.make_agent(department=team) for team in teams]
    channels = [factories.make_channel(), factories.make_channel(), None]
    for _number in range(60):
        agent, channel = chance.choice(agents), chance.choice(channels)
        friend = factories.make_friend(agent)
        begun = now - timedelta(days=chance.uniform(1, 50))
        named = {"agent_id": agent.pk, "channel_id": channel.pk if channel else None}
        for step in STANDARD_JOURNEY[: chance.randint(1, 6)]:
            factories.make_fact(friend, step, begun, **(named if step == "friend_added" else {}))
            begun = min(now, begun + timedelta(days=chance.choice((0, 0.5, 3, 20))))
        if chance.random() < 0.3:
            again = now - timedelta(days=chance.uniform(0, 20))
            factories.make_fact(friend, "friend_added", again, **named)
    return {
        "lead": factories.make_user(Role.LEAD, departments=[teams[0]]),
        "operator": factories.make_user(Role.OPERATOR),
    }


def asked(by: str) -> JourneyQuestion:
    today = local_day(timezone.now())
    return JourneyQuestion(today - timedelta(days=60), today, by)


@pytest.mark.parametrize("by", ["channel", "week", "agent"])
@pytest.mark.parametrize("role", ["operator", "lead"])
def test_cubes_say_what_the_engine_says(house, by, role):
    user, now = house[role], timezone.now()
    steps = tuple(Step(code) for code in STANDARD_JOURNEY)
    question = Question(steps, 30 * 86_400, breakdown=(by,), as_of=now)
    found = answer(question, LiveSource.for_user(user))
    expected = {
        cell.values[0].label: (
            [step.reached for step in cell.steps],
            sum(step.open for step in cell.steps),
        )
        for cell in found.cells
        if cell.steps[0].reached
    }
    ours = journey(asked(by), user=user, now=now)
    assert {
        cell.label: ([cell.reached(step) for step in range(1, 7)], cell.open) for cell in ours.cells
    } == expected
    assert ours.total.open > 0


def test_every_number_opens_into_as_many_people_for_lead_and_operator(client, house):
    for user in house.values():
        client.force_login(user)
        for by in ("channel", "week", "agent"):
            shown = figures(client.get(reverse(PAGE), {"by": by}).content.decode())
            assert shown
            for value, href in chance_of(shown):
                assert f'data-count="{value}"' in client.get(href).content.decode()
                api = client.get(
                    href.replace("/reports/people/journey/", "/api/v1/analytics/people/journey")
                ).json()
                assert (api["count"], len(api["people"])) == (value, value)


def chance_of(shown):
    return random.Random(3).sample(shown, min(8, len(shown)))


def test_page_file_and_api_say_the_same(client, house):
    client.force_login(house["operator"])
    told = client.get(reverse(API), {"by": "week"}).json()
    file = b"".join(client.get(reverse(FILE), {"by": "week"})).decode()
    rows = list(csv.reader(io.StringIO(file)))
    assert [int(n) for n in rows[1][1:7]] == told["total"]["reached"]
    assert [row[0] for row in rows[2:]] == [cell["key"] for cell in told["cells"]]
    assert f">{told['total']['reached'][0]}</a>" in client.get(reverse(PAGE)).content.decode()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"by": "weather"}, "by"),
        ({"from": "2026-11-11", "to": "2026-11-01"}, "from"),
        ({"to": "soon"}, "to"),
        ({"from": "2001-01-01"}, "from"),
    ],
)
def test_impossible_questions_are_refused_beside_the_field(client, house, values, field):
    client.force_login(house["operator"])
    page = client.get(reverse(PAGE), values)
    assert (page.status_code, field in page.context["form"].errors) == (422, True)
    refused = client.get(reverse(API), values)
    assert (refused.status_code, field in refused.content.decode()) == (422, True)


@pytest.mark.parametrize("figure", ["state=gone", "state=reached&step=9", "state=reached&key=x"])
def test_numbers_that_do_not_exist_are_refused(client, house, figure):
    client.force_login(house["operator"])
    people = reverse("analytics:figures:people", args=["journey"])
    assert client.get(f"{people}?by=channel&{figure}").status_code == 422


def test_a_period_without_entries_says_so(client, house):
    client.force_login(house["operator"])
    page = client.get(reverse(PAGE), {"from": "2001-01-01", "to": str(date(2001, 1, 2))})
    assert "换一段日期试试" in page.content.decode()


def test_the_page_costs_the_same_for_any_number_of_agents(
    client, house, django_assert_max_num_queries
):
    client.force_login(house["operator"])
    for _n in range(12):
        agent = factories.make_agent()
        factories.make_fact(
            factories.make_customer(),
            "friend_added",
            timezone.now() - timedelta(days=2),
            agent_id=agent.pk,
        )
    with django_assert_max_num_queries(14):
        client.get(reverse(PAGE), {"by": "agent"})
