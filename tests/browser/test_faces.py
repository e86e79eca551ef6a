"""Persona accounts and recurring slots in a real browser."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from crm.acquisition.models import Welcome
from crm.agents.access import Role
from crm.faces.models import Face
from crm.shared.times import local_day
from crm.slots.filling import fill_slots
from crm.slots.models import PostSlot
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import (
    make_agent,
    make_channel,
    make_department,
    make_friend,
    make_tag,
    make_user,
)
from tests.slot_world import a_face, a_slot, materials

pytestmark = pytest.mark.django_db(transaction=True)


def world(by) -> tuple[Face, PostSlot]:
    """A face with people to be handed to it, and a slot whose pool is too small."""
    now, root, tag = timezone.now(), make_department(name="总部"), make_tag(name="60+")
    agent, other = (make_agent(name=name, department=root) for name in ("李婷", "王芳"))
    face = a_face(
        by,
        name="老友会旅行小客服",
        tone="称呼叔叔阿姨，短句，不用网络用语。",
        agents=(agent,),
        tag=tag,
        topic="早安",
        channels=(make_channel(name="门店海报"),),
    )
    for n in range(12):
        make_friend(other, name=f"陈阿姨{n}", tag_ids=[tag.pk], added_at=now)
    for name, owner in (("老友会", face), ("平常", None)):
        Welcome.objects.create(name=name, text="叔叔阿姨好，我是{员工|小客服}", face=owner)
    materials(by, 4, text="早安，愿您今天也有好风景")
    slot = a_slot(by, face, now=now, reuse_days=6)
    fill_slots(now=now)
    slot.dates.create(
        on=local_day(now) - timedelta(days=1), due_at=now - timedelta(days=1), reason="resting"
    )
    return face, slot


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [("wide", "zh-hans", "light"), ("phone", "zh-hans", "dark"), ("phone", "en", "light")],
)
def test_pages_fit_and_are_accessible(page_for, size, language, theme):
    operator = make_user(Role.OPERATOR, username="yunying")
    face, slot = world(operator)
    page = page_for(operator, size=size, language=language, theme=theme)
    calendar = reverse("crm:planner:calendar")
    for name, path in (
        ("faces", reverse("crm:faces:list")),
        ("face", reverse("crm:faces:detail", args=[face.pk])),
        ("face-edit", reverse("crm:faces:edit", args=[face.pk])),
        ("face-waiting", reverse("crm:faces:waiting", args=[face.pk])),
        ("face-welcomes", reverse("crm:acquisition:face_welcomes", args=[face.pk])),
        ("slots", reverse("crm:slots:list")),
        ("slot", reverse("crm:slots:detail", args=[slot.pk])),
        ("slot-edit", reverse("crm:slots:edit", args=[slot.pk])),
        ("calendar", calendar),
        ("week", f"{calendar}?view=week"),
        ("agenda", f"{calendar}?view=agenda&face={face.pk}"),
    ):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert_fits(page)
        assert_accessible(page)
        shot(page, f"faces-{name}-{size}-{language}-{theme}", full=True)


def test_the_tone_appears_when_an_agent_of_the_face_is_ticked(page_for):
    operator = make_user(Role.OPERATOR, username="yunying")
    world(operator)
    page = page_for(operator)
    page.goto(reverse("crm:moments:new"))
    expect(page.get_by_text("称呼叔叔阿姨")).to_have_count(0)
    page.get_by_label("李婷").check()
    expect(page.get_by_text("称呼叔叔阿姨")).to_be_visible()
