"""The builder: every option on the page, its refusals on the field, comparison, files."""

import io

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from analytics.funnels.models import SavedQuestion
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
    asked = {"steps": STEPS, "from": "2026-11-08", "to": "2026-11-14", "compare": "previous"}
    rows = client.get(reverse(PAGE), asked).context["comparison"]
    file = client.get(reverse("analytics:funnels:export"), asked | {"format": "xlsx"})
    sheet = load_workbook(io.BytesIO(b"".join(file))).active
    [*_head, before, _share, difference, low, high] = [cell.value for cell in sheet[3]]
    assert before == rows[1].reached_before.value
    assert (difference, low, high) == tuple(round(n, 6) for n in rows[1].difference)
    shown = [(row.reached.value, row.reached_before.value) for row in rows]
    assert shown[:2] == [(2, 1), (2, 1)]
    for number in (rows[1].reached, rows[1].reached_before):
        listed = client.get(number.href).content.decode()
        assert f'data-count="{number.value}"' in listed
    assert rows[1].difference[1] <= rows[1].difference[0] <= rows[1].difference[2]


@pytest.mark.usefixtures("operator")
def test_the_file_is_also_a_workbook(client):
    customer_who(friend_added=0)
    response = client.get(reverse("analytics:funnels:export"), {"steps": STEPS, "format": "xlsx"})
    sheet = load_workbook(io.BytesIO(b"".join(response))).active
    assert [row[3] for row in sheet.iter_rows(min_row=2, values_only=True)][:3] == [1, 0, 0]


def test_a_question_is_kept_under_a_name_and_opened_by_a_colleague(client, operator):
    customer_who(friend_added=0)
    url = reverse("analytics:funnels:save_question")
    asked = {"steps": STEPS, "window": "7d", "exclude": "group_left", "name": "七天漏斗"}
    assert client.post(url, asked).status_code == 302
    assert client.post(url, asked | {"window": "8d"}).status_code == 302
    [saved] = SavedQuestion.unsafe_all.all()
    assert (saved.owner, saved.question["window"]) == (operator, "8d")
    assert client.post(url, asked | {"name": " "}).status_code == 422
    assert client.post(url, asked | {"window": "soon"}).status_code == 422
    client.force_login(factories.make_user(Role.OPERATOR))
    page = client.get(reverse(PAGE))
    assert "七天漏斗" in page.content.decode()
    again = client.get(f"{reverse(PAGE)}?{saved.query}")
    assert str(again.context["answer"].question.exclude[0]) == "group_left"
    drop = reverse("analytics:funnels:drop_question", args=[saved.pk])
    assert client.post(drop).status_code == 404
    client.force_login(operator)
    assert client.post(drop).status_code == 302
    assert not SavedQuestion.unsafe_all.exists()


def test_only_what_several_customers_of_ours_say_is_suggested(client):
    company = factories.make_department()
    ours, theirs = (factories.make_department(parent=company) for _ in range(2))
    for department, city in ((ours, "大理"), (theirs, "丽江")):
        agent = factories.make_agent(department=department)
        for number in range(3):
            said = {"city": city, "note": f"private {number}", "bad": "a,b"}
            factories.make_fact(
                factories.make_friend(agent), "order_paid", 0, properties=said, amount_cents=100
            )
    client.force_login(factories.make_user(Role.LEAD, departments=[ours]))
    url = reverse("analytics:funnels:suggestions")
    assert client.get(url, {"steps": "order_paid"}).context["said"] == ["amount>=", "city=大理"]
    for odd in ("", "no_such", "x\x00", "x" * 99):
        assert client.get(url, {"steps": odd}).context["said"] == []
