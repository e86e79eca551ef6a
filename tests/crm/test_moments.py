"""Moments from the draft to the likes, against the sandbox."""

import io
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection
from PIL import Image

from crm import wecom
from crm.agents.models import Agent, AuditEntry
from crm.moments import actions, audience, images
from crm.moments.audience import Choice, plan
from crm.moments.content import MomentRejected
from crm.moments.models import (
    Moment,
    MomentAudience,
    MomentImage,
    MomentReaction,
    MomentTask,
)
from crm.moments.reminders import remind_agents, remind_laggards
from crm.moments.schedule import instant_of
from crm.outbox.dispatcher import dispatch
from crm.outbox.models import OutboxItem, PlatformQuota, TouchDecision
from crm.shared.times import day_end, local_day
from crm.timeline.models import Fact
from tests.factories import make_agent, make_contact, make_department, make_friend, make_user
from tests.moment_world import MomentWorld, overseer, picture

pytestmark = pytest.mark.django_db
State = Moment.State
CREATE = "externalcontact/add_moment_task"


@pytest.fixture
def world(sandbox, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    return MomentWorld(sandbox, settings)


# The way of a post


def test_an_approved_moment_reaches_wecom_once_at_its_time(world):
    moment = world.approved()
    dispatch(clock=world.clock)
    assert world.created_at_wecom() == 0
    world.the_hour_comes()
    dispatch(clock=world.clock)
    moment.refresh_from_db()
    assert world.created_at_wecom() == 1
    assert (moment.state, bool(moment.wecom_job_id)) == (State.CREATING, True)
    [effect] = world.sandbox.ledger(CREATE)
    sent = effect["body"]
    assert sent["text"]["content"] == moment.text
    senders = sent["visible_range"]["sender_list"]["user_list"]
    assert senders == sorted(agent.userid for agent in world.agents[:3])


def test_pictures_are_uploaded_just_before_and_travel_in_order(world):
    stored = [
        images.store_image(upload=picture(40 + n, 30), name=f"{n}.png", by=world.author)
        for n in range(3)
    ]
    moment = world.approved(image_ids=tuple(image.pk for image in stored))
    assert not MomentImage.unsafe_all.exclude(media_id="").exists()
    world.the_hour_comes()
    [effect] = world.sandbox.ledger(CREATE)
    sent = [a["image"]["media_id"] for a in effect["body"]["attachments"]]
    assert sent == [image.media_id for image in moment.images.order_by("position")]
    assert len(world.sandbox.ledger("media/upload_attachment")) == 3


def test_a_link_goes_with_its_cover(world):
    cover = images.store_image(upload=picture(), name="cover.png", by=world.author)
    world.approved(link_title="厦门五日", link_url="https://travel.example/xm", cover_id=cover.pk)
    world.the_hour_comes()
    [effect] = world.sandbox.ledger(CREATE)
    [attachment] = effect["body"]["attachments"]
    assert attachment["link"]["url"] == "https://travel.example/xm"


def test_the_job_is_polled_and_the_post_gets_its_number(world):
    moment = world.created()
    assert moment.state == State.CREATED
    assert moment.tasks.filter(is_invalid=True).count() == 0


def test_who_published_saw_liked_and_commented_is_collected_as_rows_and_facts(world):
    moment = world.created()
    world.sandbox.step("publish_moment", moment_id=moment.wecom_moment_id)
    world.pass_(hours=2)
    world.follow()
    world.follow()
    moment.refresh_from_db()
    assert moment.state == State.PUBLISHING
    assert moment.tasks.filter(is_published=True).count() == 3
    seen = MomentAudience.unsafe_all.filter(task__moment=moment).count()
    reacted = MomentReaction.unsafe_all.filter(task__moment=moment).count()
    facts = Fact.unsafe_all.filter(properties__moment=moment.pk)
    assert seen > 0
    assert facts.filter(kind__code="moment_visible").count() == seen
    assert facts.exclude(kind__code="moment_visible").count() == reacted


def test_an_old_post_is_no_longer_followed(world):
    moment = world.created()
    world.pass_(days=8)
    world.follow()
    moment.refresh_from_db()
    assert (moment.state, moment.follow_at) == (State.DONE, None)


def test_what_wecom_refuses_in_the_job_fails_with_its_reason(world):
    moment = world.approved()
    Agent.unsafe_all.filter(pk=world.agents[0].pk).update(userid="nobody-there")
    MomentTask.unsafe_all.filter(moment=moment).exclude(agent=world.agents[0]).delete()
    moment.senders.set([world.agents[0]])
    moment.content_hash = moment.approved_hash = actions.content_hash(moment)
    moment.save()
    OutboxItem.unsafe_all.update(payload={"content_hash": moment.content_hash})
    world.the_hour_comes()
    world.pass_(seconds=5)
    world.follow()
    moment.refresh_from_db()
    assert moment.state == State.FAILED
    assert "40031" in moment.failure


# Approval


def test_nobody_approves_their_own(world):
    moment = world.submitted()
    lead = overseer(world.root)
    Moment.unsafe_all.filter(pk=moment.pk).update(created_by=lead)
    with pytest.raises(actions.NotAllowed, match="不能审批自己"):
        actions.approve_moment(
            moment_id=moment.pk, seen_hash=moment.content_hash, by=lead, now=world.clock()
        )


def test_nobody_approves_for_agents_of_others(world):
    moment = world.submitted()
    team = make_department(parent=world.root)
    lead = overseer(team, world.agents[0])
    with pytest.raises(actions.NotAllowed, match="管辖之外"):
        actions.approve_moment(
            moment_id=moment.pk, seen_hash=moment.content_hash, by=lead, now=world.clock()
        )


def test_an_approval_is_of_what_was_seen(world):
    moment = world.submitted()
    with pytest.raises(actions.StaleMoment):
        actions.approve_moment(
            moment_id=moment.pk, seen_hash="0" * 64, by=world.approver, now=world.clock()
        )


def test_editing_an_approved_moment_voids_the_approval_and_nothing_is_sent(world):
    moment = world.approved()
    edited = actions.edit_moment(
        moment_id=moment.pk,
        version=moment.version,
        content=world.content(text="换了一句"),
        by=world.author,
        now=world.clock(),
    )
    assert (edited.state, edited.approved_by, edited.approved_hash) == (State.DRAFT, None, "")
    world.the_hour_comes()
    assert world.created_at_wecom() == 0
    assert AuditEntry.objects.get(action="moment.edit").details["approval_voided"] is True


def test_content_changed_behind_the_approval_is_not_sent(world):
    moment = world.approved()
    Moment.unsafe_all.filter(pk=moment.pk).update(text="有人绕过了界面")
    world.the_hour_comes()
    moment.refresh_from_db()
    assert world.created_at_wecom() == 0
    assert (moment.state, moment.failure_code) == (State.FAILED, "changed")


def test_a_rejection_names_its_reason_and_returns_to_the_author(world):
    moment = world.submitted()
    rejected = actions.reject_moment(
        moment_id=moment.pk, reason="配图不清楚", by=world.approver, now=world.clock()
    )
    assert (rejected.state, rejected.rejection) == (State.DRAFT, "配图不清楚")


def test_two_editors_of_one_moment_the_second_is_told(world):
    draft = world.drafted()
    step = {"moment_id": draft.pk, "by": world.author, "now": world.clock()}
    actions.edit_moment(version=draft.version, content=world.content(text="一"), **step)
    with pytest.raises(actions.StaleMoment, match="别人刚刚修改过"):
        actions.edit_moment(version=draft.version, content=world.content(text="二"), **step)
    draft.refresh_from_db()
    assert draft.text == "一"


# Moving, cancelling, copying


def test_moving_an_approved_moment_keeps_the_approval(world):
    moment = world.approved()
    actions.reschedule_moment(
        moment_id=moment.pk,
        version=moment.version,
        publish_wall=world.wall(hours=5),
        by=world.author,
        now=world.clock(),
    )
    world.the_hour_comes()
    assert world.created_at_wecom() == 0
    world.pass_(hours=4)
    dispatch(clock=world.clock)
    assert world.created_at_wecom() == 1


def test_cancelling_before_the_call_sends_nothing(world):
    moment = world.approved()
    actions.cancel_moment(moment_id=moment.pk, by=world.author, now=world.clock())
    world.the_hour_comes()
    moment.refresh_from_db()
    assert (moment.state, world.created_at_wecom()) == (State.CANCELLED, 0)


def test_cancelling_afterwards_stops_the_agents_who_have_not_published(world):
    moment = world.created()
    actions.cancel_moment(moment_id=moment.pk, by=world.author, now=world.clock())
    dispatch(clock=world.clock)
    moment.refresh_from_db()
    assert moment.state == State.CANCELLED
    assert len(world.sandbox.ledger("externalcontact/cancel_moment_task")) == 1


def test_a_copy_is_a_draft_of_its_own_with_the_same_pictures(world):
    image = images.store_image(upload=picture(), name="a.png", by=world.author)
    moment = world.created(image_ids=(image.pk,))
    copy = actions.duplicate_moment(
        moment_id=moment.pk, publish_wall=world.wall(days=1), by=world.author, now=world.clock()
    )
    assert (copy.state, copy.text, copy.content_hash) == (
        State.DRAFT,
        moment.text,
        moment.content_hash,
    )
    assert copy.images.get().pk != image.pk


# Refusals in words


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"title": " "}, "title"),
        ({"text": "字" * 2001}, "text"),
        ({"text": "字" * 1400}, "text"),
        ({"link_url": "javascript:alert(1)", "link_title": "x"}, "link_url"),
        ({"link_url": "https://a.example", "link_title": "长" * 30}, "link_title"),
        ({"link_url": "https://a.example", "link_title": "短"}, "cover"),
        ({"link_title": "没有地址"}, "link_url"),
        ({"publish_wall": datetime.fromisoformat("2020-01-01T09:00")}, "publish_wall"),
        ({"zone": "Mars/Base"}, "zone"),
    ],
)
def test_a_draft_that_wecom_would_not_take_is_refused_at_its_field(world, overrides, field):
    with pytest.raises(MomentRejected) as refusal:
        world.drafted(**overrides)
    assert refusal.value.field == field
    assert not Moment.unsafe_all.exists()


def test_a_wall_time_inside_a_dst_gap_is_refused():
    with pytest.raises(MomentRejected, match="不存在"):
        instant_of(datetime.fromisoformat("2026-03-29T02:30"), "Europe/Berlin")
    assert instant_of(datetime.fromisoformat("2026-10-25T02:30"), "Europe/Berlin").hour == 0


def test_a_moment_without_senders_or_content_cannot_be_submitted(world):
    for overrides in ({"sender_ids": ()}, {"text": ""}):
        with pytest.raises(MomentRejected):
            world.submitted(**overrides)


def test_departed_agents_are_named_and_an_audience_of_nobody_is_refused(world):
    Agent.unsafe_all.filter(pk__in=[a.pk for a in world.agents[:3]]).update(
        status=Agent.Status.LEFT
    )
    with pytest.raises(MomentRejected, match="离职"):
        world.submitted()
    lonely = make_agent(userid="lonely")
    with pytest.raises(MomentRejected, match="没有客户"):
        world.submitted(sender_ids=(lonely.pk,))


def test_an_agent_who_left_after_approval_gets_no_task(world):
    world.approved()
    Agent.unsafe_all.filter(pk=world.agents[0].pk).update(status=Agent.Status.LEFT)
    world.the_hour_comes()
    [effect] = world.sandbox.ledger(CREATE)
    senders = effect["body"]["visible_range"]["sender_list"]["user_list"]
    assert senders == sorted(agent.userid for agent in world.agents[1:3])


def test_when_every_agent_left_nothing_is_sent_and_the_reason_stands(world):
    moment = world.approved()
    Agent.unsafe_all.update(status=Agent.Status.LEFT)
    world.the_hour_comes()
    moment.refresh_from_db()
    assert (moment.state, moment.failure_code) == (State.FAILED, "empty")
    assert world.created_at_wecom() == 0


# Audience


def test_tags_alone_choose_the_agents_who_follow_such_customers(world):
    tag = max(world.tags.values(), key=lambda t: t.contacts.count())
    planned = plan(Choice(tag_ids=(tag.pk,)))
    contacts = tag.contacts.all()
    assert {share.agent.pk for share in planned.shares} == {c.agent_id for c in contacts}
    assert planned.customers == len({c.customer_id for c in contacts})


def test_the_plan_counts_what_the_sandbox_will_choose(world):
    tag = max(world.tags.values(), key=lambda t: t.contacts.count())
    moment = world.created(sender_ids=(), tag_ids=(tag.pk,))
    world.sandbox.step("publish_moment", moment_id=moment.wecom_moment_id)
    for task in moment.tasks.select_related("agent"):
        chosen = wecom.client().moment_customers(moment.wecom_moment_id, task.agent.userid)
        assert len(chosen) == task.planned_customers


def test_customers_who_had_their_share_today_are_counted_before_sending(world):
    # All four posts lie in one day of the customers.
    if (until := day_end(local_day(world.clock())) - world.clock()) < timedelta(hours=1):
        world.pass_(seconds=until.total_seconds() + 60)
    senders = [agent.pk for agent in world.agents[:3]]
    choice = Choice(sender_ids=tuple(senders))
    assert audience.already_full(choice, senders, now=world.clock()) == 0
    for n in range(3):
        world.approved(title=f"第 {n} 条", text=f"第 {n} 条", publish_wall=world.wall(minutes=30))
    world.pass_(minutes=31)
    dispatch(clock=world.clock)
    full = audience.already_full(choice, senders, now=world.clock())
    assert full == plan(choice).customers
    fourth = world.approved(text="第四条", publish_wall=world.wall(minutes=10))
    world.pass_(minutes=11)
    dispatch(clock=world.clock)
    fourth.refresh_from_db()
    assert (fourth.state, fourth.failure_code) == (State.FAILED, "rule")
    assert TouchDecision.objects.get(is_allowed=False).rule == "moment.customer_day"


# Reminders


def test_laggards_are_reminded_at_their_hours_and_at_most_three_times_a_day(world):
    world.created()
    assert remind_laggards(now=world.clock()) == 0
    world.pass_(hours=2, minutes=1)
    MomentTask.unsafe_all.update(is_published=False)
    assert remind_laggards(now=world.clock()) == 3
    assert remind_laggards(now=world.clock()) == 0
    dispatch(clock=world.clock)
    messages = world.sandbox.read("messages")["messages"]
    assert len(messages) == 3
    world.pass_(hours=7)
    assert remind_laggards(now=world.clock()) == 3


def test_an_agent_who_published_in_the_meantime_is_not_reminded(world):
    moment = world.created()
    world.pass_(hours=3)
    remind_agents(moment_id=moment.pk, by=world.author, now=world.clock())
    MomentTask.unsafe_all.update(is_published=True)
    dispatch(clock=world.clock)
    assert world.sandbox.read("messages")["messages"] == []
    assert set(OutboxItem.unsafe_all.filter(kind="moment.remind").values_list("reason_code")) == {
        ("published",)
    }


def test_a_second_reminder_within_half_an_hour_is_refused_in_words(world):
    moment = world.created()
    remind_agents(moment_id=moment.pk, by=world.author, now=world.clock())
    with pytest.raises(actions.NotAllowed, match="没有可提醒"):
        remind_agents(moment_id=moment.pk, by=world.author, now=world.clock())


def _reminders_pile_up(world) -> int:
    """Eight reminders of one task are due at once and four dispatchers take them."""
    moment = world.created()
    task = moment.tasks.order_by("pk")[0]
    OutboxItem.unsafe_all.bulk_create(
        OutboxItem(
            kind="moment.remind",
            key=f"moment.remind:{task.pk}:again{n}",
            subject_type="moment",
            subject_id=moment.pk,
            payload={"task": task.pk, "userid": task.agent.userid, "text": f"第 {n} 次"},
            due_at=world.clock(),
        )
        for n in range(8)
    )

    def work() -> None:
        dispatch(clock=world.clock)
        connection.close()

    threads = [threading.Thread(target=work) for _n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(world.sandbox.read("messages")["messages"])


@pytest.mark.django_db(transaction=True)
def test_however_many_remind_at_once_an_agent_hears_it_three_times_a_day(world):
    assert _reminders_pile_up(world) == 3
    waiting = OutboxItem.unsafe_all.filter(kind="moment.remind", state="waiting")
    assert set(waiting.values_list("reason_code", flat=True)) == {"rule"}


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_rule_every_reminder_goes_out(world):
    PlatformQuota.objects.create(
        code="moment.remind",
        is_off=True,
        limit=1,
        valid_from=world.clock() - timedelta(days=1),
    )
    assert _reminders_pile_up(world) == 8


# Unclear answers, end to end


def test_an_effect_whose_answer_was_lost_is_found_again_and_followed(world):
    world.sandbox.fault(CREATE, "effect_then_drop", count=1)
    moment = world.approved()
    world.the_hour_comes()
    moment.refresh_from_db()
    assert moment.state == State.UNCERTAIN
    world.pass_(seconds=30)
    dispatch(clock=world.clock)
    moment.refresh_from_db()
    assert (moment.state, world.created_at_wecom()) == (State.CREATED, 1)
    assert world.item().reason_code == "reconciled"


def test_a_call_that_was_dropped_unapplied_is_parked_for_a_person(world):
    world.sandbox.fault(CREATE, "drop", count=1)
    moment = world.approved()
    world.the_hour_comes()
    for _look in range(4):
        world.pass_(seconds=160)
        dispatch(clock=world.clock)
    moment.refresh_from_db()
    assert (world.item().state, moment.state) == (OutboxItem.State.PARKED, State.UNCERTAIN)
    assert world.created_at_wecom() == 0


def test_a_dropped_call_is_repeated_once_a_later_post_of_ours_is_listed(world):
    world.sandbox.fault(CREATE, "drop", count=1)
    moment = world.approved()
    world.the_hour_comes()
    world.pass_(minutes=1)
    later = world.approved(text="另一条", publish_wall=world.wall(minutes=2))
    for _look in range(5):
        world.pass_(seconds=160)
        dispatch(clock=world.clock)
        world.follow()
    moment.refresh_from_db()
    later.refresh_from_db()
    assert later.wecom_moment_id
    assert moment.wecom_job_id
    assert world.created_at_wecom() == 2


def test_two_posts_with_the_same_words_are_not_taken_for_one_another(world):
    world.sandbox.fault(CREATE, "effect_then_drop", count=1)
    world.sandbox.fault(CREATE, "drop", count=1, skip=0)
    for _twin in range(2):
        world.approved()
    world.the_hour_comes()
    for _look in range(30):
        world.pass_(seconds=160)
        dispatch(clock=world.clock)
    states = set(OutboxItem.unsafe_all.values_list("state", flat=True))
    assert states == {OutboxItem.State.PARKED}
    assert world.created_at_wecom() == 1


def test_a_job_that_wecom_forgot_is_found_again_by_its_content(world):
    moment = world.approved()
    world.the_hour_comes()
    world.pass_(hours=25)
    world.follow()
    moment.refresh_from_db()
    assert moment.state == State.UNCERTAIN
    dispatch(clock=world.clock)
    moment.refresh_from_db()
    assert (moment.state, world.created_at_wecom()) == (State.CREATED, 1)


def test_too_many_running_tasks_are_waited_out(world):
    world.sandbox.fault(CREATE, "errcode", errcode=41078, count=1)
    moment = world.approved()
    world.the_hour_comes()
    moment.refresh_from_db()
    assert (world.item().state, moment.state) == (OutboxItem.State.WAITING, State.APPROVED)
    world.pass_(seconds=61)
    dispatch(clock=world.clock)
    assert world.created_at_wecom() == 1


def test_pictures_that_expired_at_wecom_are_uploaded_again(world):
    image = images.store_image(upload=picture(), name="a.png", by=world.author)
    world.approved(image_ids=(image.pk,))
    MomentImage.unsafe_all.update(media_id="long gone", media_at=world.clock() + timedelta(hours=1))
    world.the_hour_comes()
    assert world.created_at_wecom() == 0
    world.pass_(seconds=5)
    dispatch(clock=world.clock)
    assert world.created_at_wecom() == 1


def test_a_reminder_whose_answer_was_lost_arrives_once(world):
    moment = world.created()
    [task, *_others] = moment.tasks.order_by("pk")
    world.sandbox.fault("message/send", "effect_then_drop", count=1)
    remind_agents(moment_id=moment.pk, by=world.author, now=world.clock(), task_ids=[task.pk])
    for _round in range(3):
        dispatch(clock=world.clock)
        world.pass_(seconds=20)
    sent = world.sandbox.read("messages")["messages"]
    assert [message["outcome"] for message in sent].count("delivered") == 1
    assert world.item("moment.remind").state == OutboxItem.State.DONE


# Pictures


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GIF89a" + b"0" * 100, "不是 JPG 或 PNG"),
        (b"<svg onload=alert(1)>", "不是 JPG 或 PNG"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 100, "已损坏"),
        (b"\xff\xd8\xff" + b"0" * (10 * 1024 * 1024 + 1), "超过 10 MB"),
        (b"", "不是 JPG 或 PNG"),
    ],
)
def test_a_file_that_is_no_picture_is_refused_in_words(world, data, words):
    with pytest.raises(images.ImageRejected, match=words):
        images.store_image(upload=io.BytesIO(data), name="a.png", by=world.author)
    assert not MomentImage.unsafe_all.exists()


def test_a_pixel_bomb_is_refused_before_it_is_decoded(world):
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    file.seek(0)
    with pytest.raises(images.ImageRejected, match="像素过大"):
        images.store_image(upload=file, name="bomb.png", by=world.author)


def test_a_picture_is_written_anew_without_what_was_hidden_in_it(world):
    file = picture(kind="JPEG")
    data = file.getvalue() + b"<script>hidden</script>"
    stored = images.store_image(upload=io.BytesIO(data), name="../../evil.jpg", by=world.author)
    assert b"hidden" not in stored.file.read()
    assert stored.file.name == f"moments/{stored.pk.hex[:2]}/{stored.pk.hex}.jpg"


def test_a_large_picture_is_brought_to_the_size_that_wecom_advises(world):
    stored = images.store_image(upload=picture(3000, 2000, "JPEG"), name="big.jpg", by=world.author)
    assert stored.width * stored.height <= 1440 * 1080
    long = images.store_image(upload=picture(600, 4000, "JPEG"), name="long.jpg", by=world.author)
    assert (long.width, long.height) == (600, 4000)


def test_somebody_elses_upload_cannot_be_attached(world):
    image = images.store_image(upload=picture(), name="a.png", by=make_user())
    with pytest.raises(MomentRejected, match="重新上传"):
        world.drafted(image_ids=(image.pk,))


def test_unused_uploads_are_forgotten_after_a_day(world):
    image = images.store_image(upload=picture(), name="a.png", by=world.author)
    path = image.file.path
    assert images.forget_unused(now=image.uploaded_at + timedelta(hours=25)) == 1
    assert not Path(path).exists()


# Scope


def test_agents_see_their_tasks_and_leads_what_involves_their_agents(world):
    moment = world.approved()
    team = make_department(parent=world.root)
    theirs, foreign = overseer(team, world.agents[0]), overseer(make_department(parent=world.root))
    agent = make_user("agent", agent=world.agents[0])
    stranger = make_user("agent", agent=make_agent())
    assert list(Moment.objects.for_user(theirs)) == [moment]
    assert list(Moment.objects.for_user(agent)) == [moment]
    for user in (foreign, stranger, make_user("reviewer"), make_user("admin")):
        assert not Moment.objects.for_user(user).exists()
    with pytest.raises(ObjectDoesNotExist):
        Moment.objects.for_user(foreign).get(pk=moment.pk)


def test_a_lead_plans_only_for_agents_of_the_team(world):
    team = make_department(parent=world.root)
    lead = overseer(team, world.agents[0])
    content = world.content(sender_ids=(), everyone=True)
    draft = actions.draft_moment(content=content, by=lead, now=world.clock())
    moment = actions.submit_moment(
        moment_id=draft.pk, version=draft.version, by=lead, now=world.clock()
    )
    assert [task.agent for task in moment.tasks.all()] == [world.agents[0]]


def test_a_friend_of_two_agents_counts_once_in_the_plan():
    one, two = make_agent(), make_agent()
    customer = make_friend(one)
    make_contact(customer, two)
    planned = plan(Choice(sender_ids=(one.pk, two.pk)))
    assert (planned.agents, planned.customers) == (2, 1)
