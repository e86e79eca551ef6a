"""What came of an article: rates of openings, people who are known, and a ceiling for the rest."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analytics.articles.reading import Reading, reading
from crm.agents.access import Permission, Role
from crm.articles.actions import make_link
from crm.articles.models import ArticleClick, ArticleView
from crm.articles.queries import address_of
from crm.content.blocks import Block
from crm.timeline.actions import NewFact, append_facts
from tests import factories
from tests.analytics.send_world import add_people, made_send
from tests.crm.test_api import make_token
from tests.crm.test_content_articles import article, card, shows

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def material(operator):
    return article(operator, shows(card(operator)), Block("text", "甲"), shows(card(operator)))


def link_to(material, by, place="send", customer=None):
    return make_link(material=material, place=place, customer=customer, by=by, now=timezone.now())


def opening(link, *, days_ago=5.0, ms=None, read=False, clicks=()) -> ArticleView:
    at = timezone.now() - days_ago * DAY
    view = ArticleView.objects.create(
        link=link, opened_at=at, visitor="x", read_ms=ms, read_at=at if read else None
    )
    for position in clicks:
        ArticleClick.objects.create(view=view, position=position, at=at)
    return view


def paid(customer, *, days_ago: float, key: str) -> None:
    at = timezone.now() - days_ago * DAY
    fact = NewFact(customer.pk, "order_paid", at, "test", key, amount_cents=1)
    append_facts([fact], now=timezone.now())


def found(material, user, days=7) -> Reading:
    return reading(material, range_=30, days=days, user=user, now=timezone.now())


def test_rates_are_of_openings_and_reading_only_of_those_that_told(operator, material):
    link = link_to(material, operator)
    opening(link, ms=20_000, read=True, clicks=(1, 3))
    opening(link, ms=1_000)
    opening(link)
    opening(link, days_ago=31, ms=20_000, read=True, clicks=(1,))
    got = found(material, operator)
    assert (got.counted.opened, got.counted.visitors) == (3, 1)
    assert (got.counted.read_rate.x, got.counted.read_rate.n) == (1, 2)
    assert (got.counted.click_rate.x, got.counted.click_rate.n) == (1, 3)
    shown = [(row.position, row.clicked.x, row.clicked.n) for row in got.positions]
    assert shown == [(1, 1, 3), (3, 1, 3)]
    assert got.people["opened"] == []


def test_an_order_belongs_to_the_last_button_before_it_and_to_no_other(operator, material):
    customer = factories.make_friend(factories.make_agent())
    link = link_to(material, operator, "chat", customer)
    opening(link, days_ago=10, clicks=(1,))
    opening(link, days_ago=5, clicks=(3,))
    for key, days_ago in (("early", 11), ("first", 8), ("last", 4), ("also", 3)):
        paid(customer, days_ago=days_ago, key=key)
    got = found(material, operator)
    assert [(row.position, row.orders) for row in got.positions] == [(1, 1), (3, 2)]
    assert got.people["ordered"] == [customer.pk]
    assert got.ceiling == 0
    short = factories.make_friend(factories.make_agent())
    opening(link_to(material, operator, "chat", short), days_ago=20, clicks=(1,))
    paid(short, days_ago=10, key="late")
    assert found(material, operator, days=7).people["ordered"] == [customer.pk]
    assert found(material, operator, days=14).people["ordered"] == sorted([customer.pk, short.pk])


def test_where_nobody_is_known_there_is_a_ceiling_and_no_number(operator, material):
    agent = factories.make_agent()
    sent, posted = link_to(material, operator), link_to(material, operator, "moments")
    for _n in range(3):
        opening(sent, clicks=(1,))
    opening(posted, clicks=(1, 3))
    assert found(material, operator).ceiling == 4
    send = made_send(days_ago=5, link_url=address_of(sent))
    first, *_rest = add_people(send, agent, 5)
    paid(first, days_ago=4, key="a")
    paid(factories.make_friend(agent), days_ago=4, key="b")
    got = found(material, operator)
    assert {row.place: row.ceiling for row in got.places} == {"send": 1, "moments": 1}
    assert got.people["ordered"] == []


def test_a_viewer_counts_the_people_of_their_scope_alone(operator, material):
    agent = factories.make_agent(
        department=factories.make_department(parent=factories.make_department())
    )
    mine, other = factories.make_friend(agent), factories.make_friend(factories.make_agent())
    for customer in (mine, other):
        opening(link_to(material, operator, "chat", customer), clicks=(1,))
    lead = factories.make_user(Role.LEAD, departments=[agent.department])
    got = found(material, lead)
    assert got.people["clicked"] == [mine.pk]
    assert got.counted.opened == 1


def test_page_figure_file_and_api_tell_the_same(client, operator, material):
    customer = factories.make_friend(factories.make_agent())
    opening(link_to(material, operator, "chat", customer), ms=20_000, read=True, clicks=(3,))
    paid(customer, days_ago=4, key="a")
    url = reverse("analytics:articles:article", args=[material.pk])
    page = client.get(url)
    buttons = {button.row.position: button for button in page.context["buttons"]}
    assert (buttons[1].ordered.value, buttons[3].ordered.value) == (0, 1)
    assert customer.name in client.get(buttons[3].ordered.href).content.decode()
    assert "Wilson" in page.content.decode()
    listed = client.get(reverse("analytics:articles:list"))
    assert listed.status_code == 200 and material.title in listed.content.decode()
    for name, args in (("export_one", [material.pk]), ("export", [])):
        file = client.get(reverse(f"analytics:articles:{name}", args=args))
        lines = b"".join(file.streaming_content).decode("utf-8-sig").splitlines()
        assert len(lines) == 1 + 1 + 1 + 2
    headers = {"Authorization": f"Bearer {make_token(Permission.API_FIGURES)}"}
    told = Client().get(reverse("analytics:articles:api", args=[material.pk]), headers=headers)
    body = told.json()
    assert (body["opened"], body["known_people"]["ordered"]) == (1, 1)
    assert body["read"]["low"] < 1
    refused = client.get(
        reverse("analytics:figures:people", args=["article-people"]), {"what": "nothing"}
    )
    assert refused.status_code in (400, 404, 422)


def test_an_article_without_addresses_says_what_to_do(client, operator, material):
    page = client.get(reverse("analytics:articles:article", args=[material.pk]))
    assert "还没有链接" in page.content.decode()
