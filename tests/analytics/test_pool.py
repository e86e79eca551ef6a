"""Pool balance: in − out = change, every day, by reason; page, list, file and API say the same."""

import csv
import io
from datetime import date

import pytest
from django.urls import reverse

from analytics.figures.people import page_of_ids
from analytics.pool.balance import BalanceQuestion, BalanceRefused
from analytics.pool.queries import balance, people_behind
from analytics.standing.models import PoolDay
from crm.agents.access import Role
from tests import factories
from tests.analytics.test_retention_pages import figures

pytestmark = pytest.mark.django_db
PAGE, FILE, API = "analytics:pool:pool", "analytics:pool:export", "analytics:pool:api"
ASKED = {"pool": "friends", "from": "2026-11-01", "to": "2026-11-10"}


@pytest.fixture
def house():
    """Two teams. One customer leaves and comes back, one is handed over, one stays a day."""
    root = factories.make_department()
    team, other = (factories.make_department(parent=root) for _n in range(2))
    near, far = factories.make_agent(department=team), factories.make_agent(department=other)
    back, over, guest, before = (factories.make_friend(near) for _n in range(4))
    only_far = factories.make_friend(far)
    tell = factories.make_fact
    tell(before, "friend_added", -3, agent_id=near.pk)
    tell(back, "friend_added", 0, agent_id=near.pk)
    tell(back, "friend_added", 1, agent_id=far.pk)
    tell(back, "friend_deleted_by_customer", 2, agent_id=near.pk)
    tell(back, "friend_deleted_by_agent", 3, agent_id=far.pk)
    tell(back, "friend_added", 5, agent_id=near.pk)
    tell(over, "friend_added", 0, agent_id=near.pk)
    tell(over, "friend_transferred", 4, agent_id=near.pk)
    tell(over, "friend_added", 5, agent_id=far.pk)
    tell(guest, "friend_added", 7, agent_id=near.pk)
    tell(guest, "friend_deleted_by_customer", 7.1, agent_id=near.pk)
    tell(only_far, "friend_added", 8, agent_id=far.pk)
    group = factories.make_group(near)
    tell(back, "group_joined", 2, group_id=group.pk)
    tell(over, "group_joined", 2, group_id=group.pk)
    tell(over, "group_left", 3, group_id=group.pk, properties={"quit_scene": 1})
    lead = factories.make_user(Role.LEAD, departments=[team])
    return {
        "lead": lead,
        "operator": factories.make_user(Role.OPERATOR),
        "customers": {"back": back.pk, "over": over.pk, "guest": guest.pk, "far": only_far.pk},
    }


def asked(pool="friends"):
    return BalanceQuestion(pool, date(2026, 11, 1), date(2026, 11, 10))


def test_every_day_adds_up_and_reasons_are_told_apart(house):
    found = balance(asked(), user=house["operator"], now=factories.at(20))
    days = {day.on.day: day for day in found.days}
    assert (found.opening, found.closing) == (1, 4)
    assert [day.opening + day.came - day.went for day in found.days] == [
        day.closing for day in found.days
    ]
    assert dict(days[1].reasons) == {"first": 2}
    assert (days[2].came, days[2].began, days[3].went, days[3].ended) == (0, 1, 0, 1)
    assert dict(days[4].reasons) == {"deleted_by_agent": 1}
    assert dict(days[5].reasons) == {"transferred": 1}
    assert dict(days[6].reasons) == {"back": 1, "handed_over": 1}
    # Come and gone on one day: two relations' worth of events, and nobody more in the pool.
    assert (days[8].came, days[8].went, days[8].began, days[8].ended) == (0, 0, 1, 1)
    assert (found.friends, found.relations) == (4, 4)
    assert (found.members, found.memberships, found.groups) == (1, 1, 1)


def test_the_group_pool_says_who_was_removed(house):
    found = balance(asked("groups"), user=house["operator"], now=factories.at(20))
    days = {day.on.day: day for day in found.days}
    assert dict(days[3].reasons) == {"first": 2}
    assert dict(days[4].reasons) == {"removed": 1}
    assert (found.opening, found.closing) == (0, 1)


def test_the_cube_and_the_moves_of_all_customers_say_the_same(house):
    everybody = balance(asked(), user=house["operator"], now=factories.at(20))
    root = factories.make_user(Role.MANAGER)
    assert PoolDay.objects.exists()
    lead = balance(asked(), user=house["lead"], now=factories.at(20))
    assert (everybody.closing, lead.closing) == (4, 3)
    assert balance(asked(), user=root, now=factories.at(20)).closing == 0


def test_every_number_opens_into_as_many_people_for_lead_and_operator(client, house):
    for name in ("lead", "operator"):
        client.force_login(house[name])
        for pool in ("friends", "groups"):
            page = client.get(reverse(PAGE), ASKED | {"pool": pool})
            shown = figures(page.content.decode())
            assert shown
            for value, href in shown:
                listed = client.get(href).content.decode()
                assert f'data-count="{value}"' in listed
                api = client.get(
                    href.replace("/reports/people/pool/", "/api/v1/analytics/people/pool")
                ).json()
                assert (api["count"], len(api["people"])) == (value, value)


def test_people_are_those_of_the_day_and_the_reason(house):
    who = house["customers"]
    user = house["operator"]

    def of(what, day):
        return list(people_behind(asked(), user=user, what=what, on=date(2026, 11, day)))

    assert of("first", 1) == sorted([who["back"], who["over"]])
    assert of("came", 6) == sorted([who["back"], who["over"]])
    assert of("handed_over", 6) == [who["over"]]
    assert of("went", 8) == []
    assert who["guest"] not in of("closing", 8)
    assert who["far"] in of("closing", 10)
    for what, day in (("left", 1), ("first", 11), ("", 1)):
        with pytest.raises(BalanceRefused):
            of(what, day)


def test_page_file_and_api_say_the_same(client, house):
    client.force_login(house["operator"])
    answer = client.get(reverse(API), ASKED).json()
    rows = list(csv.reader(io.StringIO(b"".join(client.get(reverse(FILE), ASKED)).decode())))
    assert [row[0] for row in rows[1:]] == [day["day"] for day in answer["days"]]
    assert [int(row[1]) for row in rows[1:]] == [day["opening"] for day in answer["days"]]
    closing = rows[0].index("期末")
    assert int(rows[-1][closing]) == answer["closing"] == 4
    assert answer["coverage"]["relations"] == 4
    page = client.get(reverse(PAGE), ASKED).content.decode()
    assert "期初 1 人，进入 5，离开 2，期末 4 人" in page


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"pool": "nowhere"}, "pool"),
        ({"from": "2026-11-11"}, "from"),
        ({"to": "soon"}, "to"),
        ({"from": "2020-01-01"}, "from"),
    ],
)
def test_impossible_balances_are_refused_beside_the_field(client, house, values, field):
    client.force_login(house["operator"])
    page = client.get(reverse(PAGE), ASKED | values)
    assert page.status_code == 422
    assert field in page.context["form"].errors
    refused = client.get(reverse(API), ASKED | values)
    assert refused.status_code == 422
    assert field in refused.content.decode()
    people = reverse("analytics:figures:people", args=["pool"])
    assert client.get(people, ASKED | values).status_code == 422


@pytest.mark.parametrize("params", [{}, *({name: None} for name in ("after", "before"))])
def test_a_query_pages_as_the_list_of_its_ids_would(house, params):
    ids = people_behind(asked(), user=house["operator"], what="closing", on=date(2026, 11, 10))
    listed = list(ids)
    assert (len(ids), ids[0], ids[1:3]) == (4, listed[0], listed[1:3])
    places = [*listed, listed[0] - 1, listed[-1] + 1] if params else [0]
    for size in (1, 2, 3, 4, 5):
        for place in places:
            asked_for = {name: str(place) for name in params}
            assert page_of_ids(ids, asked_for, size) == page_of_ids(listed, asked_for, size)
