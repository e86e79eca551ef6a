"""The calendar of everything and the gate's rules, in a real browser."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from crm.agents.access import Role
from crm.audiences.models import Audience
from crm.gate.models import TouchRule
from crm.outreach.models import MassSend, Replay
from crm.outreach.replaying import replay_month
from crm.shared.times import day_start, local_day
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.crm.test_replays import MONTH, lived, rules
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


def drafts(author) -> list[MassSend]:
    """Four drafts to one audience, two of them on one day."""
    audience = Audience.unsafe_all.create(
        name="老友", frozen_at=timezone.now(), customer_count=0, created_by=author
    )
    monday = local_day(timezone.now()) + timedelta(days=7 - timezone.localtime().weekday())
    return [
        MassSend.unsafe_all.create(
            title=f"三亚早鸟第 {n} 波",
            text="x",
            send_at=day_start(monday + timedelta(days=n // 2)) + timedelta(hours=10 + n),
            content_hash="x",
            audience=audience,
            created_by=author,
        )
        for n in range(4)
    ]


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [
        ("wide", "zh-hans", "light"),
        ("phone", "zh-hans", "dark"),
        ("wide", "en", "dark"),
        ("phone", "en", "light"),
    ],
)
def test_pages_fit_and_are_accessible(page_for, size, language, theme):
    operator = make_user(Role.OPERATOR, username="yunying")
    dice = random.Random(3)
    lived(dice)
    rules(dice)
    TouchRule.objects.filter(code="r0").update(valid_from=datetime(2099, 1, 1, tzinfo=UTC))
    replay = Replay.objects.create(month=MONTH, as_of=timezone.now(), made_at=timezone.now())
    replay_month(replay)
    day = local_day(drafts(operator)[0].send_at)
    page = page_for(operator, size=size, language=language, theme=theme)
    calendar = reverse("crm:planner:calendar")
    for name, path in (
        ("calendar", f"{calendar}?on={day}"),
        ("week", f"{calendar}?view=week&on={day}"),
        ("agenda", f"{calendar}?view=agenda"),
        ("rules", reverse("crm:outreach:rules")),
        ("layers", reverse("analytics:rfm:grid") + "?on=2026-11-20"),
        ("replay", reverse("crm:outreach:replay", args=[replay.pk])),
        ("compose", reverse("crm:outreach:new")),
    ):
        page.goto(path)
        assert_fits(page)
        assert_accessible(page)
        shot(page, f"planner-{name}-{size}-{language}-{theme}", full=True)


def test_an_entry_is_dragged_to_another_day(page_for):
    operator = make_user(Role.OPERATOR, username="yunying")
    send = drafts(operator)[0]
    day = local_day(send.send_at)
    page = page_for(operator)
    page.goto(reverse("crm:planner:calendar") + f"?view=week&on={day}")
    there = day + timedelta(days=4)
    entry = page.locator("a.entry", has_text=send.title)
    entry.drag_to(page.locator(f'td[data-day="{there}"]'))
    expect(page.locator(f'td[data-day="{there}"] a.entry')).to_contain_text(send.title)
    send.refresh_from_db()
    assert local_day(send.send_at) == there
