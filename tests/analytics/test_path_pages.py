"""The page of paths, its file, its API and the lists behind its numbers: one count everywhere."""

import csv
import io
import json
import re

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from openpyxl import load_workbook

from crm.agents.access import Role
from crm.datasets.actions import take_into_dataset
from tests import factories
from tests.analytics.test_retention_pages import figures

pytestmark = pytest.mark.django_db
ASKED = {"event": "friend_added", "window": "5d", "depth": "2", "top": "1"}
PAGE, FILE = "analytics:paths:paths", "analytics:paths:export"


@pytest.fixture(autouse=True)
def _own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


@pytest.fixture
def house():
    """Two teams; most new friends join a group first, some buy, one is still on the way."""
    root = factories.make_department()
    team, other = (factories.make_department(parent=root) for _n in range(2))
    near, far = factories.make_agent(department=team), factories.make_agent(department=other)
    for agent, *kinds in (
        (near, "group_joined", "order_paid"),
        (near, "group_joined"),
        (near, "order_paid"),
        (far, "group_joined", "message_received"),
        (far,),
    ):
        customer = factories.make_friend(agent)
        factories.make_fact(customer, "friend_added", 0)
        for day, kind in enumerate(kinds, start=1):
            factories.make_fact(customer, kind, day)
    factories.make_fact(factories.make_friend(near), "friend_added", 8)
    lead = factories.make_user(Role.LEAD, departments=[team])
    return lead, factories.make_user(Role.OPERATOR)


def test_every_number_opens_into_as_many_people_as_it_says_for_lead_and_operator(client, house):
    for user, everybody in zip(house, (4, 6), strict=True):
        client.force_login(user)
        shown = figures(client.get(reverse(PAGE), ASKED).content.decode())
        assert shown[0][0] == everybody
        for value, href in shown:
            listed = client.get(href).content.decode()
            assert f'data-count="{value}"' in listed, href
            assert len(re.findall(r"data-person=", listed)) == value
            api = client.get(
                href.replace("/reports/people/paths/", "/api/v1/analytics/people/paths")
            ).json()
            assert (api["count"], len(api["people"])) == (value, value)


def test_page_file_workbook_api_and_command_say_the_same(client, house):
    client.force_login(house[1])
    body = client.post(
        reverse("analytics:paths:api"), ASKED, content_type="application/json"
    ).json()
    first = {place["event"]: place["people"] for place in body["places"] if place["number"] == 1}
    assert first == {"group_joined": 3, "-other": 1, "-ended": 1, "-open": 1}
    rows = list(csv.reader(io.StringIO(b"".join(client.get(reverse(FILE), ASKED)).decode())))
    assert sum(int(row[4]) for row in rows[1:] if row[1] == "1" and "→" not in row[3]) >= 6
    book = client.get(reverse(FILE), ASKED | {"format": "xlsx"})
    sheet = load_workbook(io.BytesIO(b"".join(book))).active
    assert sheet.max_row == len(rows)
    output = io.StringIO()
    words = {"event": "friend_added", "window": "5d", "depth": "2", "top": "1"}
    call_command("paths", json=True, stdout=output, **words)
    assert json.loads(output.getvalue())["places"] == body["places"]


def test_looking_back_from_an_order_shows_where_buyers_came_from(client, house):
    client.force_login(house[1])
    asked = {"event": "order_paid", "direction": "before", "depth": 1, "ignore": ["friend_added"]}
    body = client.post(
        reverse("analytics:paths:api"), asked, content_type="application/json"
    ).json()
    assert {place["event"]: place["people"] for place in body["places"]} == {
        "group_joined": 1,
        "-ended": 1,
    }
    words = asked | {"ignore": "friend_added"}
    assert client.get(reverse(PAGE), words).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"event": "flown"}, {"event": ""}, {"window": "0s"}, {"depth": "9"}]
)
def test_a_question_that_cannot_be_answered_says_why(client, house, wrong):
    client.force_login(house[1])
    page = client.get(reverse(PAGE), ASKED | wrong)
    assert page.status_code == 422
    assert "data-error-summary" in page.content.decode()
    assert client.get(reverse(FILE), ASKED | wrong).status_code == 422
    api = reverse("analytics:paths:api")
    assert client.post(api, ASKED | wrong, content_type="application/json").status_code == 422


@pytest.mark.parametrize(
    "wrong", [{"at": "9"}, {"at": "x"}, {"at": "1", "on": "flown"}, {"path": "a>b>c>d"}]
)
def test_a_figure_that_does_not_exist_is_refused(client, house, wrong):
    client.force_login(house[1])
    url = reverse("analytics:figures:people", args=["paths"])
    assert client.get(url, ASKED | wrong).status_code == 422


def test_a_dataset_is_walked_in_its_own_words(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("unit,event,at\na,view,0\na,view,1\na,cart,2\nb,view,0\nb,leave,4\n")
    take_into_dataset(path, "shop", now=factories.at(0))
    output = io.StringIO()
    words = {"dataset": "shop", "event": "view", "window": "10s", "depth": "1", "json": True}
    call_command("paths", stdout=output, **words)
    assert {
        tuple(path["events"]): path["people"] for path in json.loads(output.getvalue())["paths"]
    } == {
        ("cart",): 1,
        ("leave",): 1,
    }
    with pytest.raises(CommandError, match=r"^event: "):
        call_command("paths", **words | {"event": "flown"})
