"""The follow-up queue in a real browser: seen, put off, done."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from crm.agents.access import Role
from crm.followup.finding import find_reasons
from crm.followup.models import FollowUp
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_agent, make_fact, make_friend, make_order, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def house():
    """Three friends of one agent, each with a reason."""
    now, agent = timezone.now(), make_agent(name="李婷")
    old = {"added_at": now - timedelta(days=200)}
    asks = make_friend(agent, name="王阿姨", order_count=1, **old)
    make_fact(asks, "message_received", now - timedelta(hours=5), agent_id=agent.pk)
    buys = make_friend(agent, name="刘叔叔", **old)
    make_order(buys, status="paid", paid_at=now - timedelta(days=2), product="三亚六日")
    make_friend(agent, name="新朋友", added_at=now - timedelta(minutes=30))
    find_reasons(now=now)
    user = make_user(Role.AGENT, username="liting")
    user.agent = agent
    user.save()
    return {"agent": user, "operator": make_user(Role.OPERATOR), "asks": asks}


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [
        ("wide", "zh-hans", "light"),
        ("phone", "zh-hans", "dark"),
        ("wide", "en", "dark"),
        ("phone", "en", "light"),
    ],
)
def test_pages_fit_and_are_accessible(page_for, house, size, language, theme):
    page = page_for(house["operator"], size=size, language=language, theme=theme)
    page.goto(reverse("crm:followup:queue"))
    page.locator("details.card summary").click()
    assert_fits(page)
    assert_accessible(page)
    shot(page, f"followup-queue-{size}-{language}-{theme}", full=True)
    page.goto(reverse("crm:customers:profile", args=[house["asks"].pk]))
    expect(
        page.get_by_role("region", name="下一步" if language != "en" else "Next step")
    ).to_contain_text("李婷")
    assert_fits(page)
    assert_accessible(page)
    shot(page, f"followup-profile-{size}-{language}-{theme}", full=True)


def test_an_agent_finishes_one_and_skips_another(page_for, house):
    page = page_for(house["agent"])
    page.goto(reverse("crm:followup:queue"))
    page.get_by_role("button", name="完成对 王阿姨 的跟进").click()
    expect(page.get_by_role("row", name="王阿姨")).to_have_count(0)
    row = page.get_by_role("row").filter(has_text="刘叔叔")
    row.get_by_text("推迟或跳过").click()
    row.get_by_label("为什么跳过").fill("刚见过面")
    row.get_by_role("button", name="跳过", exact=True).click()
    expect(page.get_by_text("刘叔叔")).to_have_count(0)
    states = dict(FollowUp.unsafe_all.values_list("customer__name", "state"))
    assert states == {"王阿姨": "done", "刘叔叔": "skipped", "新朋友": "open"}
