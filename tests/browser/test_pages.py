"""Today, customers, groups, agents and audiences in a real browser, with life on them."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from crm.agents.access import Role
from crm.audiences.actions import freeze_audience
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.browser.world import World, build_world
from tests.factories import make_fact, make_friend, make_user

pytestmark = pytest.mark.django_db(transaction=True)
LIVE_MS = 5_000
LOOKS = [
    ("zh-hans", "wide", "light"),
    ("zh-hans", "phone", "dark"),
    ("en", "phone", "light"),
    ("en", "wide", "dark"),
]


@pytest.fixture
def world(db) -> World:
    return build_world()


@pytest.fixture
def manager(world):
    return make_user(Role.MANAGER, username="jingli", departments=[world.root])


def pages(world: World, user) -> dict[str, str]:
    audience = freeze_audience(
        name="近期没下单的好友",
        customer_ids=[customer.pk for customer in world.customers[:20]],
        by=user,
        now=timezone.now(),
        question={"steps": ["friend_added", "order_paid"], "window": "30d"},
    )
    richest = max(world.customers, key=lambda customer: customer.facts.count())
    return {
        "today": "/",
        "customers": reverse("crm:customers:list"),
        "profile": reverse("crm:customers:profile", args=[richest.pk]) + "?list=sort%3D-added",
        "groups": reverse("crm:groups:list"),
        "group": reverse("crm:groups:detail", args=[world.groups[0].pk]),
        "agents": reverse("analytics:dashboards:agents"),
        "agent": reverse("analytics:dashboards:agent", args=[world.agents[0].pk]),
        "audiences": reverse("crm:audiences:list"),
        "audience": reverse("crm:audiences:detail", args=[audience.pk]),
    }


@pytest.mark.parametrize(("language", "size", "theme"), LOOKS)
def test_every_page_is_accessible_and_fits(page_for, world, manager, language, size, theme):
    page = page_for(manager, size=size, theme=theme, language=language)
    for name, path in pages(world, manager).items():
        page.goto(path)
        for plot in page.locator("[data-plot]").all():
            expect(plot).to_have_attribute("data-drawn", "true")
        assert_fits(page)
        assert_accessible(page)
        shot(page, f"{name}-{size}-{theme}-{language}", full=True)


def test_an_added_friend_shows_on_the_open_list(page_for, world):
    agent = world.agents[0]
    page = page_for(Role.AGENT, agent=agent)
    page.goto(reverse("crm:customers:list"))
    friend = make_friend(agent, name="刚加的小满", added_at=timezone.now())
    make_fact(friend, "friend_added", timezone.now(), agent_id=agent.pk)
    news = page.locator("[data-newcomers]")
    expect(news).to_contain_text("新增 1 位客户", timeout=LIVE_MS)
    expect(news).to_contain_text("刚加的小满")
    news.get_by_role("link", name="刷新列表").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("刚加的小满")


def test_an_added_friend_shows_on_the_open_today(page_for, world):
    agent = world.agents[0]
    page = page_for(Role.AGENT, agent=agent)
    page.goto("/")
    friend = make_friend(agent, name="刚加的小满", added_at=timezone.now())
    make_fact(friend, "friend_added", timezone.now(), agent_id=agent.pk)
    expect(page.locator("[data-friend]").first).to_contain_text("刚加的小满", timeout=LIVE_MS)


def test_a_number_opens_into_its_people_and_escape_closes_them(page_for, world, manager):
    page = page_for(manager)
    page.goto("/")
    figure = page.locator(".tile-value a").first
    count = int(figure.inner_text())
    figure.click()
    panel = page.locator("#panel")
    expect(panel.get_by_role("listitem")).to_have_count(count)
    expect(page).to_have_url(re.compile("panel="))
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_a_chip_narrows_the_list_and_is_taken_back(page_for, world, manager):
    page = page_for(manager)
    page.goto(reverse("crm:customers:list"))
    result = page.locator(".filter-bar .result")
    everybody = result.inner_text()
    page.locator("summary.chip", has_text="员工").click()
    page.get_by_label("王芳").check()
    page.get_by_role("button", name="应用").locator("visible=true").click()
    expect(page).to_have_url(re.compile("agent="))
    expect(result).not_to_have_text(everybody)
    page.get_by_role("link", name="清除 员工").click()
    expect(result).to_have_text(everybody)


def test_a_whole_phone_number_is_shown_against_a_reason(page_for, world):
    agent = world.agents[0]
    friend = make_friend(agent, phone="13912340000")
    page = page_for(Role.AGENT, agent=agent)
    page.goto(reverse("crm:customers:profile", args=[friend.pk]))
    expect(page.locator("#phone")).to_contain_text("139****0000")
    page.get_by_text("查看完整号码").click()
    page.get_by_label("查看原因").fill("客户要求回电")
    page.get_by_role("button", name="查看号码").click()
    expect(page.locator("[data-revealed]")).to_have_text("13912340000")
