"""The review of a post to Moments in a real browser, with everything that can stand on it."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.links.actions import address_of, make_link
from crm.links.models import LinkClick
from crm.moments.models import Moment, MomentAudience, MomentTask
from crm.reviews.actions import CostLine, note_cost, note_lesson
from tests import factories
from tests.browser.conftest import assert_accessible, assert_fits, shot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def moment(transactional_db) -> Moment:
    """A post with a link, viewers, orders and deletions, which follows another one."""
    user, now = factories.make_user(Role.OPERATOR), timezone.now()
    agent = factories.make_agent(name="王芳", department=factories.make_department())
    link = make_link(target="https://a.example/1", title="三亚", by=user, now=now)
    given = {"state": "done", "content_hash": "x", "everyone": True, "planned_customers": 12}
    at, last = now - timedelta(days=10), None
    for text in ("早上好", f"早鸟 {address_of(link)}"):
        last = Moment.unsafe_all.create(
            title="三亚早鸟", text=text, publish_at=at, publish_wall=f"{at:%Y-%m-%dT%H:%M}",
            wecom_moment_id=text[:2], follows=last, created_by=user, **given,
        )  # fmt: skip
        task = MomentTask.unsafe_all.create(
            moment=last, agent=agent, is_published=True, published_at=at
        )
        for n in range(9):
            friend = factories.make_friend(agent)
            MomentAudience.unsafe_all.create(task=task, customer=friend, seen_at=at)
            day = at + timedelta(days=1)
            factories.make_fact(friend, "order_paid", day, amount_cents=320_000)
            if n < 5:
                kind = "friend_deleted_by_customer"
                factories.make_fact(friend, kind, day, agent_id=agent.pk)
    LinkClick.objects.create(link=link, at=at + timedelta(hours=3), visitor="a")
    note_cost(of=last, line=CostLine("拍照", "发票 2026-0712", 80_000), by=user, now=now)
    note_lesson(of=last, text="图太暗，周末发得太晚", by=user, now=now)
    return last


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [("wide", "zh-hans", "light"), ("phone", "zh-hans", "dark"), ("phone", "en", "light")],
)
def test_the_review_fits_and_is_accessible(page_for, moment, size, language, theme):
    page = page_for(factories.make_user(Role.OPERATOR), size=size, language=language, theme=theme)
    page.goto(reverse("analytics:results:moment_review", args=[moment.pk]))
    assert_fits(page)
    assert_accessible(page)
    shot(page, f"moment-review-{size}-{language}-{theme}", full=True)
