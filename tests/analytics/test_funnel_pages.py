"""The builder: every option on the page, its refusals on the field, comparison, files."""

import io

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from crm.agents.access import Role
from tests import factories

pytestmark = pytest.mark.django_db
PAGE = "analytics:funnels:funnel"
STEPS = ["friend_added", "group_joined", "order_paid"]


@pytest.fixture(autouse=True)
def _own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def customer_who(**days):
    customer = factories.make_customer()
    for kind, day in days.items():
        factories.make_fact(customer, kind, day, properties={"platform": "ios"})
    return customer


@pytest.mark.usefixtures("operator")
def test_the_page_takes_every_option_and_keeps_it_in_its_links(client):
    customer_who(friend_added=0, group_joined=1, order_paid=2)
    customer_who(friend_added=0, group_left=1, group_joined=2)
    asked = {
        "steps": STEPS, "exclude": "group_left", "step_window": "3d", "min_gap": "1h",
        "by_property": "platform@last", "value": "amount", "as_of": "2026-12-01",
    }  # fmt: skip
    response = client.get(reverse(PAGE), asked)
    assert response.status_code == 200
    assert [row.reached.value for row in response.context["rows"]] == [2, 1, 1]
    assert response.context["cell_title"] == "platform@last"
    assert [cell.label for cell in response.context["cells"]] == ["ios"]
    assert "exclude=group_left" in response.context["query"]
    people = client.get(response.context["rows"][1].reached.href)
    assert people.context["page"].total == 1


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"exclude": "no_such_event"}, "exclude"),
        ({"min_gap": "40d"}, "min_gap"),
        ({"step_window": "soon"}, "step_window"),
        ({"compare": "previous"}, "from"),
        ({"count": "totals", "entry": "first"}, "entry"),
        ({"unit": "team"}, "unit"),
        ({"by_property": "a b"}, "breakdown"),
    ],
)
def test_a_refusal_stands_beside_its_field(client, asked, field):
    customer_who(friend_added=0)
    response = client.get(reverse(PAGE), {"steps": STEPS, **asked})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]


@pytest.mark.usefixtures("operator")
def test_the_previous_period_stands_beside_this_one(client):
    for day in (0, 7, 8):
        customer_who(friend_added=day, group_joined=day + 1)
    response = client.get(
        reverse(PAGE),
        {"steps": STEPS, "from": "2026-11-08", "to": "2026-11-14", "compare": "previous"},
    )
    rows = response.context["comparison"]
    assert [(row.reached, row.reached_before) for row in rows][:2] == [(2, 1), (2, 1)]
    assert rows[1].difference[1] <= rows[1].difference[0] <= rows[1].difference[2]


@pytest.mark.usefixtures("operator")
def test_the_file_is_also_a_workbook(client):
    customer_who(friend_added=0)
    response = client.get(reverse("analytics:funnels:export"), {"steps": STEPS, "format": "xlsx"})
    sheet = load_workbook(io.BytesIO(b"".join(response))).active
    assert [row[3] for row in sheet.iter_rows(min_row=2, values_only=True)][:3] == [1, 0, 0]
