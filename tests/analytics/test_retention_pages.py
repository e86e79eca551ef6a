"""The retention page, its file, its API and the lists behind its cells: one count everywhere."""

import csv
import io
import json
import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from openpyxl import load_workbook

from crm.agents.access import Role
from crm.audiences.models import Audience, AudienceMember
from tests import factories

pytestmark = pytest.mark.django_db
ASKED = {"birth": "order_paid", "return": "order_paid", "from": "2026-11-01", "to": "2026-11-30"}
PAGE, FILE = "analytics:retention:retention", "analytics:retention:export"


@pytest.fixture(autouse=True)
def _own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


def buyer(*days: float, agent=None):
    customer = factories.make_friend(agent) if agent else factories.make_customer()
    for day in days:
        factories.make_fact(customer, "order_paid", day)
    return customer


@pytest.fixture
def house():
    """Two teams; three buyers of the first week of November, one of the second."""
    root = factories.make_department()
    team, other = (factories.make_department(parent=root) for _n in range(2))
    near, far = factories.make_agent(department=team), factories.make_agent(department=other)
    customers = [
        buyer(0, 8, agent=near),
        buyer(0.1, 0.2, agent=near),
        buyer(0, 9, 10, agent=far),
        buyer(10, agent=far),
    ]
    buyer(40)  # Not in the cohort; it only tells that the data go on until then.
    lead = factories.make_user(Role.LEAD, departments=[team])
    return lead, factories.make_user(Role.OPERATOR), customers


def figures(html: str) -> list[tuple[int, str]]:
    """(value shown, address) of every number of a page that opens."""
    found = re.findall(r'data-figure="(\d+)" href="([^"]+)"', html)
    return [(int(value), unescape(href)) for value, href in found]


def test_every_cell_opens_into_as_many_people_as_it_says_for_lead_and_operator(client, house):
    lead, operator, _customers = house
    for user, sizes in ((lead, 2), (operator, 4)):
        client.force_login(user)
        page = client.get(reverse(PAGE), ASKED)
        shown = figures(page.content.decode())
        assert shown[0][0] == sizes
        for value, href in shown:
            listed = client.get(href).content.decode()
            assert f'data-count="{value}"' in listed
            assert len(re.findall(r"data-person=", listed)) == value
            api = client.get(
                href.replace("/reports/people/retention/", "/api/v1/analytics/people/retention")
            ).json()
            assert (api["count"], len(api["people"])) == (value, value)
            rows = client.get(href.replace("people/retention/", "people/retention/export/"))
            assert len(b"".join(rows).decode().strip().splitlines()) == value + 1


def test_page_file_workbook_api_and_command_say_the_same(client, house):
    client.force_login(house[1])
    body = client.post(
        reverse("analytics:retention:api"), ASKED, content_type="application/json"
    ).json()
    week = body["periods"][1]
    assert (body["size"], week["eligible"], week["returned"]) == (4, 4, 2)
    rows = list(csv.reader(io.StringIO(b"".join(client.get(reverse(FILE), ASKED)).decode())))
    assert rows[2][4:6] == ["4", "2"]
    book = client.get(reverse(FILE), ASKED | {"format": "xlsx"})
    sheet = load_workbook(io.BytesIO(b"".join(book))).active
    assert [cell.value for cell in sheet[3]][4:6] == [4, 2]
    output = io.StringIO()
    options = {"birth": "order_paid", "comes_back": "order_paid", "json": True, "stdout": output}
    call_command("retention", since="2026-11-01", until="2026-11-30", **options)
    assert json.loads(output.getvalue())["periods"] == body["periods"]


def test_a_cell_becomes_an_audience_of_exactly_its_people(client, house):
    _lead, operator, customers = house
    client.force_login(operator)
    value, href = next(
        (n, href)
        for n, href in figures(client.get(reverse(PAGE), ASKED).content.decode())
        if "state=returned" in href and "at=1" in href and "cohort" not in href
    )
    asked = {name: values[0] for name, values in parse_qs(urlsplit(href).query).items()}
    url = reverse("analytics:figures:save_audience", args=["retention"])
    client.post(url, asked | {"audience_name": "回头客"})
    audience = Audience.unsafe_all.get(name="回头客")
    members = AudienceMember.objects.filter(audience=audience).values_list("customer_id", flat=True)
    assert value == 2
    assert set(members) == {customers[0].pk, customers[2].pk}
    assert audience.question["figure"] == {"state": "returned", "at": "1"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"birth": "nothing_known"},
        {"kind": "often"},
        {"kind": "bracket", "brackets": "9,1"},
        {"from": "2026-13-01"},
        {"return": "order_paid[=]"},
        {"return": ""},
    ],
)
def test_a_question_that_cannot_be_answered_says_why(client, house, wrong):
    client.force_login(house[1])
    page = client.get(reverse(PAGE), ASKED | wrong)
    assert page.status_code == 422
    assert "data-error-summary" in page.content.decode()
    answer = client.post(
        reverse("analytics:retention:api"), ASKED | wrong, content_type="application/json"
    )
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "wrong", [{"at": "99"}, {"at": "x"}, {"state": "gone"}, {"cohort": "2020-01-06"}]
)
def test_a_figure_that_does_not_exist_is_refused(client, house, wrong):
    client.force_login(house[1])
    url = reverse("analytics:figures:people", args=["retention"])
    assert client.get(url, ASKED | {"state": "returned", "at": "1"} | wrong).status_code == 422


def test_people_and_files_need_their_rights(client, house):
    url = reverse("analytics:figures:people", args=["retention"])
    audience = reverse("analytics:figures:save_audience", args=["retention"])
    for role in (Role.AGENT, Role.REVIEWER, Role.ADMIN):
        client.force_login(factories.make_user(role))
        assert client.get(url, ASKED | {"state": "size"}).status_code == 403
        assert client.post(audience, ASKED | {"state": "size"}).status_code == 403


def test_an_unknown_figure_is_refused(client, house):
    client.force_login(house[1])
    assert client.get(reverse("analytics:figures:people", args=["nothing"])).status_code == 422


def test_the_command_names_the_field_of_a_bad_question():
    with pytest.raises(CommandError, match=r"^period: "):
        call_command("retention", birth="order_paid", comes_back="order_paid", period="era")
