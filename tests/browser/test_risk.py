"""The page of the risk of deletion in a real browser, by points and with a model."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from crm.agents.access import Role
from crm.risk.keeping import keep_risks
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_agent, make_fact, make_friend, make_order, make_user
from tests.risk_world import make_model

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def friends(transactional_db) -> list:
    now, agent = timezone.now(), make_agent()
    people = [make_friend(agent) for _n in range(5)]
    for friend in people[3:]:
        make_fact(friend, "message_received", now - timedelta(hours=5), agent_id=agent.pk)
        make_order(friend, amount_cents=328_000, paid_at=now - timedelta(days=9))
    return people


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [("wide", "zh-hans", "light"), ("phone", "zh-hans", "dark"), ("phone", "en", "light")],
)
def test_the_page_fits_and_is_accessible(page_for, friends, size, language, theme):
    page = page_for(make_user(Role.OPERATOR), size=size, language=language, theme=theme)
    for name in ("points", "model"):
        if name == "model":
            make_model(timezone.now(), silent_days=0.3)
        keep_risks(now=timezone.now())
        page.goto(reverse("analytics:risk:risk"))
        if name == "model":
            expect(page.locator("#risk-calibration svg").first).to_be_visible()
        assert_fits(page)
        assert_accessible(page)
        shot(page, f"risk-{name}-{size}-{language}-{theme}", full=True)


def test_a_number_opens_its_people_and_the_profile_tells_why(page_for, friends):
    make_model(timezone.now(), silent_days=0.3)
    keep_risks(now=timezone.now())
    page = page_for(make_user(Role.OPERATOR))
    page.goto(reverse("analytics:risk:risk"))
    page.locator("a.figure").last.click()
    expect(page.get_by_text(friends[0].name).first).to_be_visible()
    page.goto(reverse("crm:customers:profile", args=[friends[0].pk]))
    expect(page.get_by_text("删除风险").first).to_be_visible()
    shot(page, "risk-profile", full=True)
