"""The transition page, its file, its API and the lists behind its cells: one count everywhere."""

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
ASKED = {"from": "2026-11-05", "to": "2026-11-20"}
PAGE, FILE = "analytics:transitions:transitions", "analytics:transitions:export"


@pytest.fixture(autouse=True)
def _own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


@pytest.fixture
def house():
    """Two teams; one customer of each becomes a regular, others come, stay or buy once."""
    root = factories.make_department()
    team, other = (factories.make_department(parent=root) for _n in range(2))
    near, far = factories.make_agent(department=team), factories.make_agent(department=other)
    for agent, *days in ((near, 0, 10), (near, 10), (near, 0), (far, 0, 10), (far,)):
        customer = factories.make_friend(agent)
        for day in days:
            factories.make_fact(customer, "order_paid", day)
    lead = factories.make_user(Role.LEAD, departments=[team])
    return lead, factories.make_user(Role.OPERATOR)


def test_every_cell_opens_into_as_many_people_as_it_says_for_lead_and_operator(client, house):
    for user, everybody in zip(house, (3, 5), strict=True):
        client.force_login(user)
        shown = figures(client.get(reverse(PAGE), ASKED).content.decode())
        assert shown[-1][0] == everybody
        for value, href in shown:
            listed = client.get(href).content.decode()
            assert f'data-count="{value}"' in listed
            assert len(re.findall(r"data-person=", listed)) == value
            api = client.get(
                href.replace("/reports/people/transitions/", "/api/v1/analytics/people/transitions")
            ).json()
            assert (api["count"], len(api["people"])) == (value, value)
            rows = client.get(href.replace("people/transitions/", "people/transitions/export/"))
            assert len(b"".join(rows).decode().strip().splitlines()) == value + 1


def test_page_file_workbook_api_and_command_say_the_same(client, house):
    client.force_login(house[1])
    body = client.post(
        reverse("analytics:transitions:api"), ASKED, content_type="application/json"
    ).json()
    assert (body["customers"], body["matrix"]["single"]["regular"]) == (5, 2)
    rows = list(csv.reader(io.StringIO(b"".join(client.get(reverse(FILE), ASKED)).decode())))
    assert sum(int(row[4]) for row in rows[1:]) == 5
    book = client.get(reverse(FILE), ASKED | {"format": "xlsx"})
    sheet = load_workbook(io.BytesIO(b"".join(book))).active
    assert sum(row[4].value for row in list(sheet)[1:]) == 5
    output = io.StringIO()
    call_command("transitions", since="2026-11-05", until="2026-11-20", json=True, stdout=output)
    assert json.loads(output.getvalue())["matrix"] == body["matrix"]


@pytest.mark.parametrize("by", ["loyalty", "life"])
def test_the_page_answers_by_both_schemes(client, house, by):
    client.force_login(house[1])
    page = client.get(reverse(PAGE), ASKED | {"by": by})
    assert page.status_code == 200
    assert 'id="transitions-chart"' in page.content.decode()


@pytest.mark.parametrize("wrong", [{"from": "2026-12-01"}, {"by": "mood"}, {"event": "flown"}])
def test_a_question_that_cannot_be_answered_says_why(client, house, wrong):
    client.force_login(house[1])
    page = client.get(reverse(PAGE), ASKED | wrong)
    assert page.status_code == 422
    assert "data-error-summary" in page.content.decode()
    assert client.get(reverse(FILE), ASKED | wrong).status_code == 422
    api = reverse("analytics:transitions:api")
    assert client.post(api, ASKED | wrong, content_type="application/json").status_code == 422


def test_a_stage_that_does_not_exist_is_refused(client, house):
    client.force_login(house[1])
    url = reverse("analytics:figures:people", args=["transitions"])
    assert client.get(url, ASKED | {"was": "hero"}).status_code == 422


def test_a_dataset_is_asked_in_its_own_words(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("unit,event,at\na,buy,2026-03-01\na,buy,2026-03-09\nb,look,2026-03-02\n")
    take_into_dataset(path, "shop", now=factories.at(0))
    output = io.StringIO()
    words = {"since": "2026-03-05", "until": "2026-03-10", "dataset": "shop", "json": True}
    call_command("transitions", event="buy", levels=True, stdout=output, **words)
    told = json.loads(output.getvalue())
    assert told["levels"] == {"a": ["single", "regular"], "b": ["passer_by", "passer_by"]}
    assert told["customers"] == 2
    with pytest.raises(CommandError, match=r"^event: "):
        call_command("transitions", **words)
