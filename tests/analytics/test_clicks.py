"""Links of a send: who opened is unknown, how often and when is not, and orders are a ceiling."""

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.results.clicks import clicks
from crm.agents.access import Role
from crm.links.actions import address_of, make_link
from crm.links.models import LinkClick
from crm.links.queries import links_in
from tests import factories
from tests.analytics.send_world import add_people, made_send, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def links(operator):
    return [
        make_link(target="https://x.example", title=title, by=operator, now=timezone.now())
        for title in ("早鸟", "酒店")
    ]


@pytest.fixture
def agent():
    company = factories.make_department()
    return factories.make_agent(department=factories.make_department(parent=company))


@pytest.fixture
def send(links, agent):
    """Two links in the text, the first on the card as well."""
    first, second = map(address_of, links)
    return made_send(percent=0, text=f"看 {first} 或 {second}。", link_url=first, link_title="看")


def opened(link, send, days: float, visitor: str = "a") -> None:
    at = send.send_at + timedelta(days=days)
    LinkClick.objects.create(link=link, at=at, visitor=visitor)


def test_addresses_are_found_wherever_they_stand_and_nothing_else_is(links, settings):
    first, second = map(address_of, links)
    text = f"（{first}）{second}?a=1 和{first.rstrip('/')}，"
    assert links_in(text) == [links[0], links[1], links[0]]
    assert links_in(first.replace("http://", "https://")) == [links[0]]
    for wrong in (
        first.replace("127.0.0.1", "evil.example"), first.rstrip("/") + "x", "", "l/abcdefgh",
        first.replace(links[0].code, "zzzzzzzz"), first.replace("/l/", "/L/"),
    ):  # fmt: skip
        assert links_in(wrong) == [], wrong
    settings.SITE_URL = "https://Desk.Example"
    assert links_in(f"HTTPS://desk.example/l/{links[0].code}/") == []
    assert links_in(f"https://desk.example/l/{links[0].code}/") == [links[0]]


def test_openings_count_within_the_days_of_the_send(send, links, operator):
    for days, visitor in ((-0.1, "a"), (0.5, "a"), (1, "a"), (6, "b"), (7.1, "c")):
        opened(links[0], send, days, visitor)
    one, other = clicks(send, days=7, user=operator)
    assert (one.told.opened, one.told.visitors) == (3, 2)
    assert one.told.first_at == send.send_at + timedelta(days=0.5)
    assert one.told.last_at == send.send_at + timedelta(days=6)
    assert one.places == (("text", 1), ("card", 1))
    assert other.places == (("text", 2),)
    assert (other.told.opened, other.told.first_at, other.orders) == (0, None, 0)


def test_orders_after_the_first_opening_are_a_ceiling(send, links, agent, operator):
    people = add_people(send, agent, 5)
    stranger = factories.make_friend(agent)
    opened(links[0], send, 2)
    for one, days in (
        (people[0], 1),  # Before anybody opened it.
        (people[1], 3),
        (people[1], 4),
        (people[2], 6),
        (people[3], 8),  # After the days.
        (stranger, 3),  # Not of this send.
    ):
        told(one, "order_paid", send, days, amount_cents=100)
    row = clicks(send, days=7, user=operator)[0]
    assert (row.orders, row.buyers) == (3, tuple(sorted(one.pk for one in people[1:3])))


def test_the_control_and_people_out_of_scope_do_not_count(send, links, agent, operator):
    mine = add_people(send, agent, 1)
    held = add_people(send, agent, 1, held=True)
    other = factories.make_agent(department=factories.make_department())
    theirs = add_people(send, other, 1)
    opened(links[0], send, 1)
    for one in (*mine, *held, *theirs):
        told(one, "order_paid", send, 2, amount_cents=100)
    lead = factories.make_user(Role.LEAD, departments=[agent.department])
    assert clicks(send, days=7, user=lead)[0].buyers == (mine[0].pk,)
    assert clicks(send, days=7, user=operator)[0].orders == 2


def test_page_file_api_and_people_say_the_same(send, links, agent, operator, client):
    [buyer] = add_people(send, agent, 1)
    opened(links[0], send, 1)
    told(buyer, "order_paid", send, 2, amount_cents=100)
    page = client.get(reverse("analytics:results:send", args=[send.pk]))
    row, other = page.context["clicks"]
    assert (row.link.told.opened, row.buyers.value, other.buyers.value) == (1, 1, 0)
    assert client.get(row.buyers.href).context["page"].total == 1
    assert "归因规则" in page.content.decode()
    got = client.get(reverse("analytics:results:export", args=[send.pk]))
    rows = list(csv.reader(io.StringIO(b"".join(got).decode("utf-8-sig"))))
    line = next(line for line in rows if line[:1] == ["早鸟"])
    assert line[2:5] + line[7:] == ["文字第 1 个链接、链接卡片", "1", "1", "1", "1", "0"]
    for name, key in (("api", "clicks"), ("review_api", "links")):
        body = client.get(reverse(f"analytics:results:{name}", args=[send.pk])).json()
        assert [one["opened"] for one in body[key]] == [1, 0]
        assert body[key][0]["orders_at_most"] == 1
    review = client.get(reverse("analytics:results:review", args=[send.pk]))
    assert [one.link.told.opened for one in review.context["clicks"]] == [1, 0]
    got = client.get(reverse("analytics:results:file", args=[send.pk]))
    assert "打开次数,1,早鸟" in b"".join(got).decode()


@pytest.mark.parametrize("named", ["", "0", "x", "9" * 30])
def test_a_link_that_is_not_in_the_send_is_refused(send, operator, client, named):
    url = reverse("analytics:figures:people", args=["send-link-orders"])
    assert client.get(url, {"send": send.pk, "link": named}).status_code == 422


def test_a_link_that_others_carry_too_says_so(send, links, operator, client):
    assert clicks(send, days=7, user=operator)[0].elsewhere == 0
    made_send(text=address_of(links[0]))
    assert clicks(send, days=7, user=operator)[0].elsewhere == 1
    page = client.get(reverse("analytics:results:send", args=[send.pk])).content.decode()
    assert "也用在别的 1 条" in page


def test_posts_in_groups_tell_openings_and_no_orders(links, agent, operator, client):
    send = made_send(percent=0, target="groups", text=address_of(links[0]))
    send.recipients.create(group=factories.make_group(agent), agent=agent, state="done", result=1)
    opened(links[0], send, 1)
    [row] = clicks(send, days=7, user=operator)
    assert (row.told.opened, row.orders, row.buyers) == (1, None, None)
    page = client.get(reverse("analytics:results:send", args=[send.pk])).content.decode()
    assert "早鸟" in page


def test_a_send_without_links_shows_no_clicks(agent, operator, client):
    send = made_send(percent=0, text="https://x.example")
    page = client.get(reverse("analytics:results:send", args=[send.pk])).content.decode()
    assert "打开人次" not in page
