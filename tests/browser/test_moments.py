"""Moments in a real browser: plan by keyboard, see what customers will see, approve, follow."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from crm.moments import actions, images
from crm.moments.content import MomentContent
from crm.moments.models import Moment, MomentAudience, MomentReaction, MomentTask
from crm.outbox.models import OutboxItem
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_agent, make_department, make_friend, make_tag, make_user
from tests.moment_world import picture

pytestmark = pytest.mark.django_db(transaction=True)
State = Moment.State
WORDS = [
    ("早安 · 三亚日出", "早安！今天的三亚，从第一缕海风开始 🌅"),
    ("五月厦门", "五月厦门，错峰出发更省。鼓浪屿的三角梅开得正好。"),
    ("云南小团回程合影", "感谢 12 位同行的朋友，下次再见！"),
    ("周末近郊", "周末两天，去安吉听雨。"),
    ("新线路：北疆", "独库公路开放，8 人小团，余位不多。"),
]


@pytest.fixture
def company(settings, tmp_path):
    """Two teams, friends with tags, an operator, a lead; posts in every state this month."""
    settings.MEDIA_ROOT = str(tmp_path)
    root = make_department(name="常客旅行")
    team = make_department(parent=root, name="海岛一组")
    names = ["林晓", "周文静", "陈屿", "赵一鸣"]
    agents = [make_agent(department=team, name=name) for name in names]
    friends = [make_friend(agent) for agent in agents for _n in range(4)]
    tag = make_tag(name="海岛")
    for friend in friends[::3]:
        friend.contacts.get().tags.add(tag)
    operator = make_user("operator", first_name="运营")
    lead = make_user("lead", departments=[root])
    return {"agents": agents, "operator": operator, "lead": lead, "friends": friends, "tag": tag}


def plan(company, n: int, days: float, *, submit: bool = True, **more) -> Moment:
    title, text = WORDS[n % len(WORDS)]
    now = timezone.now()
    wall = (now + timedelta(days=abs(days), hours=2)).astimezone(ZoneInfo("Asia/Shanghai"))
    content = MomentContent(
        title=title,
        text=text,
        publish_wall=wall.replace(second=0, microsecond=0, tzinfo=None),
        zone="Asia/Shanghai",
        sender_ids=tuple(agent.pk for agent in company["agents"]),
        **more,
    )
    moment = actions.draft_moment(content=content, by=company["operator"], now=now)
    if submit:
        actions.submit_moment(moment_id=moment.pk, version=1, by=company["operator"], now=now)
    moment.refresh_from_db()
    return moment


def approve(company, moment: Moment) -> Moment:
    return actions.approve_moment(
        moment_id=moment.pk,
        seen_hash=moment.content_hash,
        by=company["lead"],
        now=timezone.now(),
    )


def published(company, n: int = 1) -> Moment:
    """A post that two of four agents have published, two hours ago."""
    stored = [
        images.store_image(upload=picture(320, 240), name="a.png", by=company["operator"])
        for _n in range(3)
    ]
    moment = approve(company, plan(company, n, 1, image_ids=tuple(i.pk for i in stored)))
    OutboxItem.unsafe_all.filter(subject_id=moment.pk).delete()
    then = timezone.now() - timedelta(hours=2)
    Moment.unsafe_all.filter(pk=moment.pk).update(
        state=State.PUBLISHING,
        wecom_moment_id=f"mom{moment.pk}",
        publish_at=then,
        remote_since=then,
        followed_at=timezone.now(),
    )
    for task in moment.tasks.order_by("pk")[:2]:
        task.is_published, task.published_at = True, then + timedelta(minutes=9)
        task.save()
        for contact in task.agent.contacts.all():
            who = {"task": task, "customer": contact.customer}
            MomentAudience.unsafe_all.create(**who, seen_at=then)
        MomentReaction.unsafe_all.create(**who, kind="like", at=then + timedelta(minutes=30))
    MomentTask.unsafe_all.filter(moment=moment, is_published=False).update(reminders=1)
    return Moment.unsafe_all.get(pk=moment.pk)


def a_month(company) -> None:
    """One post in each state, spread over the weeks around today."""
    for n, (days, state) in enumerate(
        [(-6, State.DONE), (-3, State.DONE), (-1, State.FAILED), (0, State.PUBLISHING)]
    ):
        moment = plan(company, n, 1)
        at = timezone.now() + timedelta(days=days)
        Moment.unsafe_all.filter(pk=moment.pk).update(state=state, publish_at=at)
    approve(company, plan(company, 4, 1))
    plan(company, 0, 2)
    plan(company, 1, 2, submit=False)
    plan(company, 2, 4)


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [
        ("wide", "zh-hans", "light"),
        ("wide", "en", "dark"),
        ("phone", "zh-hans", "light"),
        ("phone", "en", "dark"),
    ],
)
def test_pages_fit_and_are_accessible(page_for, company, size, language, theme):
    a_month(company)
    live = published(company)
    page = page_for(company["operator"], size=size, language=language, theme=theme)
    for name, path in (
        ("calendar", reverse("crm:moments:calendar")),
        ("week", reverse("crm:moments:calendar") + "?view=week"),
        ("list", reverse("crm:moments:calendar") + "?view=list"),
        ("new", reverse("crm:moments:new")),
        ("detail", reverse("crm:moments:detail", args=[live.pk])),
        ("outbox", reverse("crm:outbox:list")),
    ):
        page.goto(path)
        assert_fits(page)
        assert_accessible(page)
        shot(page, f"moments-{name}-{size}-{language}-{theme}", full=True)


def test_the_calendar_is_walked_with_arrows_and_opened_with_enter(page_for, company):
    moment = plan(company, 0, 0)
    page = page_for(company["operator"])
    page.goto(reverse("crm:moments:calendar"))
    today = page.locator("td[aria-current=date]")
    today.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(today).to_be_focused()
    entry = page.locator("td", has=page.locator(".entry"))
    entry.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{reverse('crm:moments:detail', args=[moment.pk])}")


def test_the_phone_shows_what_is_typed_and_the_plan_counts_who_is_ticked(page_for, company):
    page = page_for(company["operator"])
    page.goto(reverse("crm:moments:new"))
    page.get_by_label("名称").fill("早安")
    page.get_by_label("正文").fill("早安，三亚")
    expect(page.locator("[data-shows=text]")).to_have_text("早安，三亚")
    expect(page.locator("[data-count]")).to_have_text("15")
    page.get_by_label("林晓").check()
    expect(page.locator("#plan strong").first).to_have_text("1")
    expect(page.locator("#plan strong").nth(1)).to_have_text("4")
    page.get_by_label("图片").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": picture().read()}
    )
    expect(page.locator("[data-shows=images] img")).to_have_count(1)
    shot(page, "moments-compose-filled", full=True)
    page.get_by_role("button", name="提交审批").click()
    page.wait_for_url("**/moments/*/")
    moment = Moment.unsafe_all.get()
    assert (moment.state, moment.images.count()) == (State.WAITING, 1)


def test_too_many_bytes_are_told_while_typing_and_refused_at_the_field(page_for, windows, company):
    windows.forgive("422")
    page = page_for(company["operator"])
    page.goto(reverse("crm:moments:new"))
    page.get_by_label("名称").fill("太长")
    page.get_by_label("正文").fill("字" * 1400)
    expect(page.locator("[data-counter]")).to_have_attribute("data-is-over", "")
    page.get_by_label("林晓").check()
    page.get_by_role("button", name="存为草稿").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    expect(page.get_by_label("正文")).to_have_attribute("aria-invalid", "true")
    assert page.get_by_label("正文").input_value() == "字" * 1400


def test_another_person_approves_after_seeing_how_many_it_reaches(page_for, company):
    moment = plan(company, 1, 1)
    page = page_for(company["lead"])
    page.goto(reverse("crm:moments:detail", args=[moment.pk]))
    shot(page, "moments-approve")
    page.get_by_role("button", name="通过").click()
    dialog = page.locator("#confirm")
    expect(dialog).to_contain_text("4 位员工发给 16 位客户")
    dialog.get_by_role("button", name="通过").click()
    expect(page.locator("[data-state=approved]")).to_be_visible()


def test_an_open_page_follows_the_post_without_a_reload(page_for, company):
    moment = published(company)
    page = page_for(company["operator"])
    page.goto(reverse("crm:moments:detail", args=[moment.pk]))
    expect(page.locator(".lead")).to_contain_text("4 位员工中 2 位已发表")
    MomentTask.unsafe_all.filter(moment=moment).update(
        is_published=True, published_at=timezone.now()
    )
    expect(page.locator(".stepper")).to_contain_text("4/4", timeout=8_000)


def test_a_number_opens_its_people_in_the_panel(page_for, company):
    moment = published(company)
    page = page_for(company["operator"])
    page.goto(reverse("crm:moments:detail", args=[moment.pk]))
    page.locator(".stepper a[data-panel]").last.click()
    expect(page.locator("#panel .person")).to_have_count(8)
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).not_to_be_visible()


def test_a_long_list_of_agents_is_narrowed_by_typing(page_for, company):
    team = company["agents"][0].department
    for n in range(12):
        make_friend(make_agent(department=team, name=f"顾问{n:02d}号"))
    page = page_for(company["operator"])
    page.goto(reverse("crm:moments:new"))
    page.locator("#filter-senders").fill("林")
    expect(page.get_by_label("林晓")).to_be_visible()
    expect(page.get_by_label("顾问03号")).not_to_be_visible()
