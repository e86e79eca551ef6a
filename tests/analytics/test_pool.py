"""Pool balance: in − out = change, every day, by reason; page, list, file and API say the same."""

import csv
import io
from datetime import date

import pytest
from django.urls import reverse

from analytics.figures.lines import line_page
from analytics.figures.people import page_of_ids
from analytics.pool.balance import BalanceQuestion, BalanceRefused
from analytics.pool.queries import balance, people_behind
from analytics.pool.relations import lines_behind
from analytics.standing.models import PoolDay
from crm.agents.access import Role
from crm.agents.models import Agent
from crm.audiences.models import Audience
from crm.customers.models import Customer
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
                api = client.get(in_api(href)).json()
                told = api["people"] if api["lines"] is None else api["lines"]
                assert (api["count"], len(told)) == (value, value)


def in_api(href: str) -> str:
    """The address of the same figure for other systems."""
    return href.replace("/reports/people/", "/api/v1/analytics/people/").replace("/?", "?")


def lines_of(user, what, day=None, pool="friends"):
    found = lines_behind(asked(pool), user=user, what=what, on=day and date(2026, 11, day))
    assert len(list(found.all(user))) == len(found)
    return [(line.customer_id, *line.cells[1:]) for line in found.all(user)]


def test_relations_open_one_by_one_with_what_happened_and_with_whom(house):
    who, user = house["customers"], house["operator"]
    near, far = Agent.unsafe_all.order_by("pk").values_list("name", flat=True)[:2]
    assert lines_of(user, "began", 2) == [(who["back"], "加微", far)]
    assert lines_of(user, "ended", 4) == [(who["back"], "员工删除客户", far)]
    # Two of one day, and one person twice in all days.
    assert lines_of(user, "began", 6) == [(who["back"], "加微", near), (who["over"], "加微", far)]
    assert [line[0] for line in lines_of(user, "began")].count(who["back"]) == 3
    assert lines_of(user, "came", pool="groups") == [
        (who["back"], "入群", "首次进入"), (who["over"], "入群", "首次进入"),
    ]  # fmt: skip
    assert lines_of(user, "removed", pool="groups") == [(who["over"], "被移出群", "离开")]
    standing = lines_of(user, "standing", 10)
    assert (who["over"], "加微", far) in standing
    assert (len(standing), len({line[0] for line in standing})) == (4, 4)
    [(nobody,)] = [line[:1] for line in lines_of(user, "groups")]
    assert nobody is None


def test_what_began_and_ended_on_every_day_is_as_many_as_the_balance_says(house):
    for user in (house["operator"], house["lead"]):
        for pool in ("friends", "groups"):
            found = balance(asked(pool), user=user, now=factories.at(20))
            for day in found.days:
                for what, value in (("began", day.began), ("ended", day.ended)):
                    assert len(lines_of(user, what, day.on.day, pool)) == value
            for what in ("came", "went", "began", "ended", *found.question.outs):
                assert len(lines_of(user, what, pool=pool)) == found.total(what)


def test_relations_are_kept_as_an_audience_of_their_customers_and_written_to_a_file(client, house):
    client.force_login(house["operator"])
    asked_for = ASKED | {"what": "began"}
    people = reverse("analytics:figures:people", args=["pool-relations"])
    page = client.get(people, asked_for)
    assert page.context["opened"].count == 7
    save = reverse("analytics:figures:save_audience", args=["pool-relations"])
    client.post(save, asked_for | {"audience_name": "新关系"})
    audience = Audience.unsafe_all.get(name="新关系")
    assert audience.customer_count == len(house["customers"])
    file = client.get(reverse("analytics:figures:export", args=["pool-relations"]), asked_for)
    rows = list(csv.reader(io.StringIO(b"".join(file).decode())))
    assert rows[0] == ["\ufeff名称", "客户编号", "时间", "发生了什么", "员工"]
    assert len(rows) == 8
    for wrong in ({"what": "nothing"}, {"what": "began", "on": "soon"}, {"what": "left"}):
        assert client.get(people, ASKED | wrong).status_code == 422


def test_groups_of_others_are_counted_and_not_named(client, house):
    lead = house["lead"]
    far = Agent.unsafe_all.order_by("pk")[1]
    theirs = factories.make_group(far)
    back = Customer.unsafe_all.get(pk=house["customers"]["back"])
    factories.make_fact(back, "group_joined", 3, group_id=theirs.pk)
    names = [line[2] for line in lines_of(lead, "standing", 10, "groups")]
    assert names[-1] == "您看不到的群"
    assert str(theirs) in [
        line[2] for line in lines_of(house["operator"], "standing", 10, "groups")
    ]


def test_lines_are_paged_both_ways_like_any_list(client, house):
    found = lines_behind(asked(), user=house["operator"], what="began")
    keys = [line.key for line in found.all(house["operator"])]
    assert keys == sorted(set(keys))
    for size in (1, 2, 3, 6, 7, 9):
        for place in (None, *keys, keys[0] - 1, keys[-1] + 1):
            for name in ("after", "before"):
                params = {} if place is None else {name: str(place)}
                page = line_page(found, user=house["operator"], params=params, size=size)
                expected = page_of_ids(keys, params, size)
                shown = ([line.key for line in page.rows], page.after, page.before)
                assert shown == expected, (size, params)


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
