"""Caps of moments: what is with agents counts before anybody is known to have seen it."""

import threading
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from crm.gate.models import TouchRule
from crm.moments import actions
from crm.moments.content import MomentRejected
from crm.moments.models import Moment, MomentAudience, MomentTask
from crm.outbox.dispatcher import claim, dispatch, work
from crm.outbox.models import OutboxItem, PlatformQuota, QuietHours
from tests.crm.test_gate_channels import Check, readers, rule, tire
from tests.crm.test_outreach import SendWorld

pytestmark = pytest.mark.django_db
State = Moment.State


@pytest.fixture
def world(sandbox, settings, db):
    world = SendWorld(sandbox, settings)
    local = world.clock().astimezone(ZoneInfo("Asia/Shanghai"))
    if (local + timedelta(hours=12)).month != local.month:
        world.pass_(days=1)  # A cap of a month would begin again within the test.
    return world


def capped(world, limit: int = 1, window: str = "month") -> None:
    rule(world, Check.OWN_CAP, "moment", limit=limit, window=window, most_percent=0)


def planned_side_by_side(world, number: int) -> list[Moment]:
    """Approved for the same hour before there was a rule."""
    return [world.approved(title=f"{n}", text=f"第 {n} 条") for n in range(number)]


def handed_over() -> int:
    return OutboxItem.unsafe_all.filter(kind="moment.create", attempts__gt=0).count()


def test_a_post_that_agents_have_counts_before_anybody_saw_it(world):
    first, second = planned_side_by_side(world, 2)
    capped(world)
    world.the_hour_comes()
    first.refresh_from_db()
    second.refresh_from_db()
    assert world.created_at_wecom() == 1
    assert (first.state, second.state) == (State.CREATING, State.FAILED)
    assert second.gate[0]["people"] == second.gate[0]["readers"] > 0


def test_a_post_planned_before_counts_in_the_plan_and_one_planned_after_does_not(world):
    capped(world)
    world.approved(publish_wall=world.wall(hours=3))
    assert world.submitted(title="更早", publish_wall=world.wall(hours=1)).gate[0]["people"] == 0
    with pytest.raises(MomentRejected, match="house"):
        world.submitted(title="更晚", publish_wall=world.wall(hours=5))


def test_who_sees_one_post_through_two_agents_saw_one(world):
    capped(world, limit=2)
    moment = world.approved()
    tasks = MomentTask.unsafe_all.filter(moment=moment)
    customer = readers(world)[0]
    MomentAudience.unsafe_all.bulk_create(
        MomentAudience(task=task, customer_id=customer, seen_at=moment.publish_at) for task in tasks
    )
    Moment.unsafe_all.update(state=State.PUBLISHING)
    assert tasks.count() == 3
    assert world.submitted(publish_wall=world.wall(hours=2)).gate[0]["people"] == 0


def test_only_those_with_its_tag_count_as_readers_of_a_post_with_a_tag(world):
    capped(world)
    tag = next(iter(world.tags.values()))
    world.approved(tag_ids=(tag.pk,))
    world.the_hour_comes()
    agents = world.agents[:3]
    tagged = tag.contacts.filter(agent__in=agents).values("customer").distinct().count()
    words = world.drafted(publish_wall=world.wall(hours=1))
    with pytest.raises(MomentRejected) as refused:
        actions.submit_moment(
            moment_id=words.pk, version=words.version, by=world.author, now=world.clock()
        )
    assert 0 < tagged < len(readers(world))
    assert f"有 {tagged} 位" in str(refused.value)


def test_when_wecom_has_told_who_saw_it_nobody_else_counts(world):
    capped(world)
    moment = world.created()
    MomentTask.unsafe_all.filter(moment=moment).update(
        is_published=True, published_at=world.clock(), collected_at=world.clock()
    )
    assert world.submitted(publish_wall=world.wall(hours=1)).gate[0]["people"] == 0


def test_in_quiet_hours_the_rules_are_asked_when_it_may_go_out(world):
    first, second = planned_side_by_side(world, 2)
    capped(world, window="day")
    MomentTask.unsafe_all.filter(moment=first).update(collected_at=world.clock())
    world.pass_(minutes=61)
    task = MomentTask.unsafe_all.filter(moment=first).first()
    MomentAudience.unsafe_all.bulk_create(
        MomentAudience(task=task, customer_id=pk, seen_at=first.publish_at) for pk in readers(world)
    )
    local = world.clock().astimezone(ZoneInfo("Asia/Shanghai"))
    begins, ends = local - timedelta(minutes=30), local - timedelta(minutes=60)
    QuietHours.objects.create(
        code="all-day", valid_from=world.clock(), zone="Asia/Shanghai",
        starts=begins.time(), ends=ends.time(),
    )  # fmt: skip
    dispatch(clock=world.clock)
    item = OutboxItem.unsafe_all.get(subject_id=second.pk, kind="moment.create")
    assert (item.state, item.reason_code) == (OutboxItem.State.WAITING, "rule")
    second.refresh_from_db()
    assert second.state == State.APPROVED


def test_an_edit_forgets_what_the_rules_said(world):
    rule(world, Check.STAGE, "moment", stages=["fatigue"], most_percent=20)
    tire(world, 1)
    moment = world.submitted()
    assert moment.gate
    actions.edit_moment(
        moment_id=moment.pk, version=moment.version, content=world.content(text="新的"),
        by=world.author, now=world.clock(),
    )  # fmt: skip
    moment.refresh_from_db()
    assert moment.gate == []


# Fifty at once


def fifty_posts_at_once(world) -> int:
    """Fifty posts to the same people are handed over at the same instant; how many go out."""
    for quota in PlatformQuota.in_force(world.clock()).values():
        PlatformQuota.objects.create(
            code=quota.code, limit=quota.limit, valid_from=world.clock(), is_off=True
        )
    planned_side_by_side(world, 50)
    capped(world, limit=3)
    world.pass_(minutes=61)
    items = [claim(now=world.clock()) for _n in range(50)]
    ready = threading.Barrier(len(items))

    def go(item: OutboxItem) -> None:
        try:
            ready.wait()
            work(item, world.clock)
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=[item]) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return handed_over()


@pytest.mark.django_db(transaction=True)
def test_fifty_posts_at_once_cannot_exceed_the_cap_of_their_readers(world):
    assert fifty_posts_at_once(world) == 3
    assert Moment.unsafe_all.filter(state=State.FAILED, failure_code="gate").count() == 47


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_turn_fifty_posts_exceed_it(world, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "gate.moments")
    assert fifty_posts_at_once(world) > 3


# Rules


def test_a_code_of_another_channel_is_refused_and_one_of_the_same_is_not(world):
    rule(world, Check.STAGE, "send", stages=["fatigue"])
    later = {"code": "house", "valid_from": world.clock() + timedelta(days=1)}
    with pytest.raises(ValidationError) as refused:
        TouchRule(test=Check.OWN_CAP, channel="group", limit=1, **later).full_clean()
    assert set(refused.value.message_dict) == {"code"}
    assert "群发给客户" in refused.value.messages[0]
    TouchRule(test=Check.STAGE, stages=["warmth"], **later).full_clean()


def test_a_rule_that_is_off_says_so_instead_of_numbers_it_lacks(world):
    off = TouchRule(code="x", test=Check.OWN_CAP, channel="moment", is_off=True)
    assert off.in_words == "不再检查"
