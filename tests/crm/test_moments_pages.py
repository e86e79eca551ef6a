"""The pages of moments: who may open them, what they say, what they refuse."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from crm.moments import actions
from crm.moments.calendar import read_calendar
from crm.moments.content import MomentContent
from crm.moments.models import Moment, MomentAudience, MomentImage, MomentTask
from crm.moments.schedule import wall_text
from crm.outbox.models import OutboxItem
from crm.shared.times import corp_zone, local_day
from tests.factories import (
    make_agent,
    make_contact,
    make_customer,
    make_department,
    make_friend,
    make_tag,
    make_user,
)
from tests.moment_world import picture

pytestmark = pytest.mark.django_db
State = Moment.State


@pytest.fixture(autouse=True)
def _files(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def house():
    """A root, a team with one agent and five friends, and people who plan and approve."""
    root = make_department()
    team = make_department(parent=root)
    agent = make_agent(department=team)
    return SimpleNamespace(
        root=root,
        team=team,
        agent=agent,
        friends=[make_friend(agent) for _n in range(5)],
        operator=make_user("operator"),
        manager=make_user("manager", departments=[root]),
        lead=make_user("lead", departments=[team]),
        foreign_lead=make_user("lead", departments=[make_department(parent=root)]),
    )


def a_wall(hours: float = 26):
    local = (timezone.now() + timedelta(hours=hours)).astimezone(corp_zone())
    return local.replace(second=0, microsecond=0, tzinfo=None)


def filled(house, **overrides) -> dict:
    return {
        "title": "国庆回程合影",
        "text": "感谢同行，下次再见",
        "senders": [house.agent.pk],
        "publish_wall": wall_text(a_wall()),
        "then": "draft",
    } | overrides


def a_draft(house, **overrides) -> Moment:
    content = MomentContent(
        **{
            "title": "早安",
            "text": "早安，三亚",
            "publish_wall": a_wall(),
            "zone": "Asia/Shanghai",
            "sender_ids": (house.agent.pk,),
        }
        | overrides
    )
    return actions.draft_moment(content=content, by=house.operator, now=timezone.now())


def a_submitted(house, **overrides) -> Moment:
    draft = a_draft(house, **overrides)
    return actions.submit_moment(
        moment_id=draft.pk, version=draft.version, by=house.operator, now=timezone.now()
    )


def url(name: str, *args) -> str:
    return reverse(f"crm:moments:{name}", args=args)


# Who may open what


@pytest.mark.parametrize(
    ("role", "status"),
    [("operator", 200), ("manager", 200), ("agent", 200), ("reviewer", 403), ("admin", 403)],
)
def test_the_calendar_is_for_those_who_see_moments(client, role, status):
    client.force_login(make_user(role))
    assert client.get(url("calendar")).status_code == status


def test_only_schedulers_compose(client, house):
    for user, status in ((house.operator, 200), (house.lead, 200), (house.manager, 403)):
        client.force_login(user)
        assert client.get(url("new")).status_code == status


def test_a_visitor_is_sent_to_sign_in(client, house):
    moment = a_draft(house)
    for path in (url("calendar"), url("new"), url("detail", moment.pk)):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer.url.startswith("/accounts/login/")


def test_a_foreign_moment_is_as_missing_as_none(client, house):
    moment = a_submitted(house)
    client.force_login(house.foreign_lead)
    for path in (url("detail", moment.pk), url("live", moment.pk), url("people", moment.pk)):
        assert client.get(path).status_code == 404
    for step in ("approve", "reject", "submit", "cancel", "duplicate", "remind", "reschedule"):
        assert client.post(url(step, moment.pk)).status_code == 404
    assert client.get(url("detail", moment.pk + 999)).status_code == 404


def test_steps_are_never_taken_by_get(client, house):
    moment = a_submitted(house)
    client.force_login(house.lead)
    for step in ("approve", "reject", "submit", "cancel", "duplicate", "remind", "reschedule"):
        assert client.get(url(step, moment.pk)).status_code == 405


# Compose


def test_a_draft_is_kept_with_its_pictures(client, house):
    client.force_login(house.operator)
    files = [picture(), picture()]
    for n, file in enumerate(files):
        file.name = f"{n}.png"
    answer = client.post(url("new"), filled(house) | {"images": files})
    moment = Moment.unsafe_all.get()
    assert answer.url == url("detail", moment.pk)
    assert (moment.state, moment.images.count()) == (State.DRAFT, 2)
    page = client.get(answer.url).content.decode()
    assert page.count('<img src="/moments/images/') == 2


def test_submitting_fixes_who_gets_a_task(client, house):
    client.force_login(house.operator)
    client.post(url("new"), filled(house, then="submit"))
    moment = Moment.unsafe_all.get()
    assert (moment.state, moment.planned_customers) == (State.WAITING, 5)
    assert moment.tasks.get().agent == house.agent


def test_a_refused_form_keeps_the_input_and_the_pictures_that_came_with_it(client, house):
    client.force_login(house.operator)
    file = picture()
    file.name = "a.png"
    past = wall_text(a_wall(-2))
    answer = client.post(url("new"), filled(house, publish_wall=past) | {"images": file})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "发表时间已过" in page
    assert "感谢同行" in page
    [image] = MomentImage.unsafe_all.all()
    assert f'name="keep" value="{image.pk}" checked' in page
    answer = client.post(url("new"), filled(house) | {"keep": str(image.pk)})
    assert Moment.unsafe_all.get().images.get().pk == image.pk


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"title": ""}, "名称"),
        ({"text": "字" * 1400}, "4200 字节"),
        ({"publish_wall": "tomorrow"}, "发表时间"),
        ({"publish_wall": ""}, "发表时间"),
        ({"senders": [999_999]}, "发表员工"),
        ({"senders": ["x"]}, "发表员工"),
        ({"link_url": "javascript:alert(1)"}, "链接地址"),
        ({"then": "submit", "senders": []}, "请选择发表员工"),
        ({"then": "submit", "text": ""}, "请填写正文"),
        ({"text": "有\x00空字符"}, "空字符"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(client, house, wrong, words):
    client.force_login(house.operator)
    answer = client.post(url("new"), filled(house, **wrong))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Moment.unsafe_all.exists()


def test_a_file_that_is_no_picture_is_refused_with_its_name(client, house):
    client.force_login(house.operator)
    bad = SimpleUploadedFile("旅行.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    answer = client.post(url("new"), filled(house) | {"images": bad})
    assert answer.status_code == 422
    assert "旅行.svg" in answer.content.decode()
    assert not Moment.unsafe_all.exists()


def test_an_outdated_edit_is_answered_with_409_and_changes_nothing(client, house):
    moment = a_draft(house)
    client.force_login(house.operator)
    edit = filled(house, text="第一位", version=moment.version)
    assert client.post(url("edit", moment.pk), edit).status_code == 302
    answer = client.post(url("edit", moment.pk), edit | {"text": "第二位"})
    assert answer.status_code == 409
    assert "别人刚刚修改过" in answer.content.decode()
    moment.refresh_from_db()
    assert moment.text == "第一位"


def test_the_plan_counts_agents_and_customers_as_they_are_ticked(client, house):
    idle = make_agent(department=house.team)
    gone = make_agent(department=house.team, status="left", name="离开的人")
    client.force_login(house.operator)
    chosen = {"senders": [house.agent.pk, idle.pk, gone.pk]}
    page = client.post(url("plan"), chosen).content.decode()
    assert "<strong>1</strong>" in page
    assert "<strong>5</strong>" in page
    assert "离开的人" in page
    assert "请选择员工" in client.post(url("plan"), {}).content.decode()


def test_tags_narrow_the_plan_per_agent(client, house):
    tag = make_tag()
    house.friends[0].contacts.get().tags.add(tag)
    client.force_login(house.operator)
    page = client.post(url("plan"), {"tags": [tag.pk]}).content.decode()
    assert page.count("<strong>1</strong>") == 2


def test_a_lead_cannot_tick_an_agent_of_another_team(client, house):
    stranger = make_agent(department=make_department(parent=house.root))
    make_contact(make_customer(), stranger)
    client.force_login(house.lead)
    answer = client.post(url("new"), filled(house, senders=[stranger.pk]))
    assert answer.status_code == 422


# Approve


def test_the_approval_panel_is_for_another_person_within_scope(client, house):
    moment = a_submitted(house)
    approve = url("approve", moment.pk)
    for user, shown in ((house.lead, True), (house.manager, True), (house.operator, False)):
        client.force_login(user)
        page = client.get(url("detail", moment.pk)).content.decode()
        assert (f'action="{approve}"' in page) is shown


def test_an_approved_moment_waits_in_the_queue_for_its_hour(client, house):
    moment = a_submitted(house)
    client.force_login(house.lead)
    answer = client.post(url("approve", moment.pk), {"content_hash": moment.content_hash})
    assert answer.status_code == 302
    item = OutboxItem.unsafe_all.get()
    assert (item.kind, item.due_at) == ("moment.create", moment.publish_at)


def test_the_author_is_refused_even_with_the_right(client, house):
    content = MomentContent("早安", a_wall(), "Asia/Shanghai", "早", sender_ids=(house.agent.pk,))
    draft = actions.draft_moment(content=content, by=house.lead, now=timezone.now())
    moment = actions.submit_moment(
        moment_id=draft.pk, version=draft.version, by=house.lead, now=timezone.now()
    )
    client.force_login(house.lead)
    answer = client.post(url("approve", moment.pk), {"content_hash": moment.content_hash})
    assert answer.status_code == 422
    assert "不能审批自己" in answer.content.decode()
    assert not OutboxItem.unsafe_all.exists()


def test_approving_what_was_changed_meanwhile_is_answered_with_409(client, house):
    moment = a_submitted(house)
    client.force_login(house.lead)
    answer = client.post(url("approve", moment.pk), {"content_hash": "f" * 64})
    assert answer.status_code == 409
    assert "有改动" in answer.content.decode()


def test_a_rejection_needs_a_reason_and_shows_it_to_the_author(client, house):
    moment = a_submitted(house)
    client.force_login(house.lead)
    assert client.post(url("reject", moment.pk), {"reason": " "}).status_code == 422
    assert client.post(url("reject", moment.pk), {"reason": "错别字"}).status_code == 302
    client.force_login(house.operator)
    assert "错别字" in client.get(url("detail", moment.pk)).content.decode()


# Steps


def test_moving_takes_the_new_time_or_says_why_not(client, house):
    moment = a_draft(house)
    client.force_login(house.operator)
    move = {"version": moment.version, "publish_wall": wall_text(a_wall(50))}
    assert client.post(url("reschedule", moment.pk), move).status_code == 302
    moment.refresh_from_db()
    assert moment.publish_wall == move["publish_wall"]
    move |= {"version": moment.version}
    for wrong in (wall_text(a_wall(-5)), "soon", ""):
        answer = client.post(url("reschedule", moment.pk), move | {"publish_wall": wrong})
        assert answer.status_code == 422
    moment.refresh_from_db()
    assert moment.version == move["version"]


def test_a_copy_opens_as_a_draft_to_edit(client, house):
    moment = a_draft(house)
    client.force_login(house.operator)
    answer = client.post(url("duplicate", moment.pk))
    copy = Moment.unsafe_all.latest("pk")
    assert answer.url == url("edit", copy.pk)
    assert (copy.text, copy.state) == (moment.text, State.DRAFT)
    assert copy.publish_at > timezone.now()


def test_cancelling_twice_says_that_there_is_nothing_left_to_cancel(client, house):
    moment = a_draft(house)
    client.force_login(house.operator)
    assert client.post(url("cancel", moment.pk)).status_code == 302
    answer = client.post(url("cancel", moment.pk))
    assert answer.status_code == 422
    assert "不能取消" in answer.content.decode()


# Results


@pytest.fixture
def published(house):
    moment = a_submitted(house)
    Moment.unsafe_all.filter(pk=moment.pk).update(
        state=State.PUBLISHING,
        wecom_moment_id="mom1",
        approved_hash=moment.content_hash,
        approved_at=timezone.now(),
        remote_since=timezone.now(),
    )
    task = moment.tasks.get()
    MomentTask.unsafe_all.update(is_published=True, published_at=timezone.now())
    for friend in house.friends[:3]:
        MomentAudience.unsafe_all.create(task=task, customer=friend, seen_at=timezone.now())
    return Moment.unsafe_all.get()


def test_every_figure_opens_its_people(client, house, published):
    client.force_login(house.operator)
    page = client.get(url("detail", published.pk)).content.decode()
    people = url("people", published.pk)
    assert f'href="{people}?of=visible">3</a>' in page
    answer = client.get(f"{people}?of=visible", headers={"HX-Request": "true"})
    names = answer.content.decode()
    assert all(friend.name in names for friend in house.friends[:3])
    assert house.friends[4].name not in names
    assert client.get(f"{people}?of=nonsense&task=x").status_code == 200


def test_the_live_part_ends_when_the_post_is_over(client, house, published):
    client.force_login(house.operator)
    assert client.get(url("live", published.pk)).status_code == 200
    Moment.unsafe_all.update(state=State.DONE)
    assert client.get(url("live", published.pk)).status_code == 286


def test_an_agent_sees_only_the_own_line(client, house, published):
    other = make_agent(department=house.team, name="另一位同事")
    MomentTask.unsafe_all.create(moment=published, agent=other)
    client.force_login(make_user("agent", agent=house.agent))
    page = client.get(url("detail", published.pk)).content.decode()
    assert house.agent.name in page
    assert "另一位同事" not in page
    assert "提醒未发表" not in page


def test_a_page_of_a_moment_asks_the_database_a_fixed_number_of_times(
    client, house, published, django_assert_max_num_queries
):
    for _n in range(30):
        agent = make_agent(department=house.team)
        MomentTask.unsafe_all.create(moment=published, agent=agent)
    client.force_login(house.operator)
    with django_assert_max_num_queries(40):
        client.get(url("detail", published.pk))


# Pictures


def test_a_picture_is_served_as_a_file_and_never_guessed_at(client, house):
    client.force_login(house.operator)
    file = picture()
    file.name = "a.png"
    client.post(url("new"), filled(house) | {"images": file})
    image = MomentImage.unsafe_all.get()
    answer = client.get(url("image", image.pk))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    client.force_login(house.foreign_lead)
    assert client.get(url("image", image.pk)).status_code == 404


# Calendar


def test_the_calendar_shows_a_post_on_its_local_day_and_marks_missed_ones(client, house):
    moment = a_submitted(house)
    client.force_login(house.operator)
    day = local_day(moment.publish_at)
    page = client.get(f"{url('calendar')}?on={day}").content.decode()
    assert "早安" in page
    Moment.unsafe_all.update(publish_at=timezone.now() - timedelta(hours=1))
    page = client.get(f"{url('calendar')}?on={local_day(timezone.now())}").content.decode()
    assert "已错过" in page


@pytest.mark.parametrize(
    "query",
    [
        "view=week",
        "view=list",
        "view=x&on=nonsense",
        "on=2026-02-30",
        "state=nope",
        "on=0001-01-01",
    ],
)
def test_any_address_of_the_calendar_answers(client, house, query):
    client.force_login(house.operator)
    assert client.get(f"{url('calendar')}?{query}").status_code == 200


def test_the_state_in_the_address_filters_the_calendar(client, house):
    moment = a_draft(house)
    client.force_login(house.operator)
    day = local_day(moment.publish_at)
    assert "早安" in client.get(f"{url('calendar')}?on={day}&state=draft").content.decode()
    page = client.get(f"{url('calendar')}?on={day}&state=done").content.decode()
    assert "早安" not in page


def test_a_full_month_is_read_with_one_query(house, django_assert_max_num_queries):
    start = timezone.now()
    Moment.unsafe_all.bulk_create(
        Moment(title=f"第 {n} 条", publish_at=start, publish_wall="", content_hash="")
        for n in range(2_000)
    )
    with django_assert_max_num_queries(1):
        found = read_calendar(
            house.operator, view="month", on=local_day(start), states=[], now=start
        )
    assert found.total == 2_000
    [today] = [day for week in found.weeks for day in week if day.is_today]
    assert len(today.entries) + today.more == 2_000


def test_every_page_reads_in_english_too(client, house, published):
    house.operator.language = "en"
    house.operator.save()
    client.force_login(house.operator)
    for path in (url("calendar"), url("new"), url("detail", published.pk)):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["Content-Language"] == "en"


# The queue


def test_the_queue_adds_up_and_a_parked_item_is_resolved_once(client, house):
    moment = a_submitted(house)
    actions.approve_moment(
        moment_id=moment.pk, seen_hash=moment.content_hash, by=house.lead, now=timezone.now()
    )
    OutboxItem.unsafe_all.update(
        state="parked",
        called_at=timezone.now(),
        evidence={"listed": 1, "candidates": [{"moment_id": "mom9", "text": "早安，三亚"}]},
    )
    item = OutboxItem.unsafe_all.get()
    detail = reverse("crm:outbox:detail", args=[item.pk])
    client.force_login(house.operator)
    assert "等人处理" in client.get(reverse("crm:outbox:list")).content.decode()
    page = client.get(detail).content.decode()
    assert 'value="mom9"' in page
    adopt = reverse("crm:outbox:adopt", args=[item.pk])
    assert client.post(adopt, {"remote_id": "mom9"}).status_code == 422
    said = {"remote_id": "mom9", "reason": "后台可见"}
    assert client.post(adopt, said).status_code == 302
    moment.refresh_from_db()
    assert (moment.state, moment.wecom_moment_id) == (State.CREATED, "mom9")
    assert client.post(adopt, said).status_code == 422


def test_the_queue_obeys_role_and_scope(client, house):
    moment = a_submitted(house)
    actions.approve_moment(
        moment_id=moment.pk, seen_hash=moment.content_hash, by=house.lead, now=timezone.now()
    )
    item = OutboxItem.unsafe_all.get()
    detail = reverse("crm:outbox:detail", args=[item.pk])
    elsewhere = make_user("manager", departments=[make_department(parent=house.root)])
    answers = {}
    for user in (house.operator, house.manager, elsewhere, house.lead):
        client.force_login(user)
        answers[user.role + str(user == elsewhere)] = client.get(detail).status_code
    assert answers == {"operatorFalse": 200, "managerFalse": 200, "managerTrue": 404} | {
        "leadFalse": 403
    }
    client.force_login(house.manager)
    assert client.post(reverse("crm:outbox:abandon", args=[item.pk])).status_code == 403


def test_rules_in_the_admin_begin_now_or_later(client):
    client.force_login(make_user("admin", is_staff=True, is_superuser=True))
    add = reverse("admin:crm_platformquota_add")
    rule = {"code": "own.cap", "limit": 3, "window": "day", "seconds": 60, "note": ""}
    past = rule | {"valid_from_0": "2020-01-01", "valid_from_1": "00:00"}
    assert "不能早于现在" in client.post(add, past).content.decode()
    future = rule | {"valid_from_0": "2099-01-01", "valid_from_1": "00:00"}
    assert client.post(add, future).status_code == 302
