"""Slots and persona accounts on the calendar of everything that goes out."""

from datetime import datetime, time, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.acquisition.models import WelcomeSent
from crm.agents.access import Role
from crm.audiences.actions import freeze_audience
from crm.moments.actions import cancel_moment
from crm.moments.models import Moment, MomentTask
from crm.outreach.models import MassBatch, MassSend
from crm.planner.calendar import Entry, clashes, entries, welcomes
from crm.shared.times import local_day
from crm.slots.filling import fill_slots, settle
from crm.slots.models import SlotDate
from tests.factories import make_agent, make_friend, make_user
from tests.slot_world import (
    NOW,
    TODAY,
    a_face,
    a_slot,
    at,
    day,
    materials,
    moved,
    post_of,
    published,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(db):
    return make_user(Role.OPERATOR)


@pytest.fixture
def filled(operator):
    materials(operator, 20)
    slot = a_slot(operator, a_face(operator))
    fill_slots(now=NOW)
    return slot


def seen(user, on, now=NOW, **more) -> list[Entry]:
    return entries(user, first=on, last=on, channels=more.pop("channels", ()), now=now, **more)


def test_a_filled_date_is_its_post_and_says_that_it_is_of_a_slot(operator, filled):
    [entry] = seen(operator, day(1))
    assert (entry.channel, entry.is_of_slot, entry.movable) == ("moment", True, True)
    assert "固定栏目" in str(entry.channel_label)
    assert seen(operator, day(1), channels=["slot"]) == [entry]
    # What is beyond the fourteen days is shown as what it will be.
    [later] = seen(operator, day(20))
    assert (later.channel, later.is_missed) == ("slot", False)
    assert "提前十四天" in str(later.state_label)
    assert later.href == reverse("crm:slots:detail", args=[filled.pk])
    assert seen(operator, day(-3)) == []


def test_a_date_without_a_material_is_empty_with_its_reason_and_later_missed(operator):
    materials(operator, 1, reuse_days=30)
    a_slot(operator, a_face(operator))
    fill_slots(now=NOW)
    [empty] = seen(operator, day(2))
    assert (empty.level, empty.movable) == ("warn", False)
    assert "间隔期" in str(empty.state_label)
    [missed] = seen(operator, day(2), now=at(3))
    assert missed.is_missed and "已错过" in str(missed.state_label)


def test_a_missed_date_is_one_entry_and_stays_when_its_draft_moves_on(operator, filled):
    later = at(1)
    [entry] = seen(operator, day(1), now=later)
    assert (entry.channel, entry.is_missed, entry.level) == ("moment", True, "bad")
    settle(now=later)
    moved(post_of(filled, day(1)), "2026-11-25T09:00", by=operator, now=later)
    [stays] = seen(operator, day(1), now=later)
    assert (stays.channel, stays.is_missed) == ("slot", True)
    there = [one for one in seen(operator, day(5), now=later) if not one.is_of_slot]
    assert [one.id for one in there] == [post_of(filled, day(1)).pk]


def test_what_agents_never_published_is_missed_for_the_slot(operator, filled):
    Moment.unsafe_all.filter(pk=post_of(filled, day(1)).pk).update(state="created")
    published(post_of(filled, day(2)))
    [waits] = seen(operator, day(1), now=at(1))
    assert not waits.is_missed
    [missed] = seen(operator, day(1), now=at(2))
    assert missed.is_missed and missed.id == post_of(filled, day(1)).pk
    [done] = seen(operator, day(2), now=at(3))
    assert not done.is_missed


def test_a_date_whose_draft_moved_away_says_where_to(operator, filled):
    post = moved(post_of(filled, day(1)), "2026-11-25T09:00", by=operator, now=NOW)
    [entry] = seen(operator, day(1))
    assert (entry.channel, entry.level) == ("slot", "brand")
    assert "已移到" in str(entry.state_label)
    assert post.pk in {one.id for one in seen(operator, day(5)) if one.channel == "moment"}
    assert seen(operator, day(5), channels=["slot"])[0].is_of_slot


def test_a_cancelled_draft_leaves_an_empty_date_beside_it(operator, filled):
    cancel_moment(moment_id=post_of(filled, day(1)).pk, by=operator, now=NOW)
    both = seen(operator, day(1))
    assert {one.channel for one in both} == {"moment", "slot"}
    [empty] = [one for one in both if one.channel == "slot"]
    assert "草稿已取消" in str(empty.state_label)


def test_who_may_not_see_the_post_sees_the_date(filled):
    lead = make_user(Role.LEAD)
    [entry] = seen(lead, day(1))
    assert (entry.channel, entry.level) == ("slot", "brand")


def test_slots_are_no_sends_that_come_too_close():
    said = {"id": 1, "version": 0, "title": "x", "state_label": "", "level": "", "movable": False}
    near = [
        Entry(channel=channel, at=NOW + timedelta(minutes=n), is_missed=False, **said)
        for n, channel in enumerate(("send", "slot"))
    ]
    assert clashes(near) == ()


def test_moving_on_the_calendar_keeps_the_slot_and_what_is_missed(client, operator):
    now = timezone.now()
    materials(operator, 20)
    face = a_face(operator)
    slot = a_slot(operator, face, at=time(0, 1))
    SlotDate.objects.all().delete()
    type(slot).objects.update(since=local_day(now) - timedelta(days=1))
    fill_slots(now=now - timedelta(days=1))
    row = slot.dates.exclude(moment=None).order_by("on").first()
    assert row.due_at <= now
    client.force_login(operator)
    asked = {"channel": "moment", "id": row.moment_id, "version": row.moment.version}
    target = local_day(now) + timedelta(days=3)
    client.post(reverse("crm:planner:move"), asked | {"day": target.isoformat()})
    row.refresh_from_db()
    assert local_day(row.moment.publish_at) == target
    assert row.outcome == "missed"


# One face


def test_the_calendar_of_one_face_shows_what_its_agents_and_its_people_get(operator):
    agent, other = make_agent(), make_agent()
    friend = make_friend(agent)
    audience = freeze_audience(name="银发", customer_ids=[friend.pk], by=operator, now=NOW)
    face = a_face(operator, agents=(agent,), audience=audience)
    made = {}
    for name in ("chosen", "tasked", "strange"):
        made[name] = Moment.unsafe_all.create(
            title=name, publish_at=at(1), publish_wall="2026-11-21T10:00", content_hash="x"
        )
    made["chosen"].senders.set([agent, other])
    MomentTask.unsafe_all.create(moment=made["tasked"], agent=agent)
    made["strange"].senders.set([other])
    for name, to in (("theirs", audience), ("by agent", None), ("foreign", None)):
        send = MassSend.unsafe_all.create(
            title=name, text="x", send_at=at(1), content_hash="x", audience=to
        )
        if name == "by agent":
            MassBatch.unsafe_all.create(send=send, agent=agent, number=0, size=1)
    materials(operator, 20)
    a_slot(operator, face, name="早安")
    a_slot(operator, a_face(operator), name="别人的早安")
    fill_slots(now=NOW)
    titles = {entry.title for entry in seen(operator, day(1), face=face)}
    assert titles == {"chosen", "tasked", "theirs", "by agent", "早安"}
    assert len(seen(operator, day(1))) == 8
    for who in (agent, other):
        WelcomeSent.unsafe_all.create(
            code=who.userid, userid=who.userid, agent=who, external_userid="wm", outcome="sent",
            happened_at=NOW, queued_at=NOW,
        )  # fmt: skip
    days = {"first": TODAY, "last": TODAY}
    assert welcomes(operator, face=face, **days) == {TODAY: 1}
    assert welcomes(operator, **days) == {TODAY: 2}


@pytest.mark.parametrize("view", ["month", "week", "agenda"])
def test_slots_show_in_every_view_and_the_filter_stays_in_the_address(client, operator, view):
    face, other = a_face(operator), a_face(operator)
    a_slot(operator, face, name="早安栏目")
    a_slot(operator, other, name="晚安栏目")
    client.force_login(operator)
    url = reverse("crm:planner:calendar") + f"?view={view}"
    both = client.get(url).content.decode()
    assert "早安栏目" in both and "晚安栏目" in both
    one = client.get(f"{url}&face={face.pk}").content.decode()
    assert "早安栏目" in one and "晚安栏目" not in one
    assert f"face={face.pk}" in one
    assert client.get(f"{url}&face=x").status_code == 200


@pytest.mark.parametrize("narrowed", [False, True])
@pytest.mark.parametrize("view", ["month", "week", "agenda"])
def test_two_thousand_items_with_slots_cost_a_constant_handful_of_queries(
    client, operator, view, narrowed
):
    face = a_face(operator)
    sender = face.agents.get()
    start = datetime.fromisoformat("2026-12-01T01:00+00:00")
    asked = f"?view={view}&on=2026-12-08" + (f"&face={face.pk}" if narrowed else "")
    url = reverse("crm:planner:calendar") + asked
    client.force_login(operator)

    def cost() -> int:
        client.get(url)
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
        return len(queries)

    for n in range(3):
        a_slot(operator, face, name=f"栏目{n}")
    few = cost()
    posts = Moment.unsafe_all.bulk_create(
        Moment(
            title=f"朋友圈 {n}",
            publish_at=start + timedelta(minutes=20 * n),
            publish_wall="2026-12-01T09:00",
            content_hash="x",
            created_by=operator,
        )
        for n in range(2_000)
    )
    through = Moment.senders.through.objects
    through.bulk_create([Moment.senders.through(moment=one, agent=sender) for one in posts])
    for slot in range(3, 6):
        row = a_slot(operator, face, name=f"栏目{slot}")
        SlotDate.objects.bulk_create(
            SlotDate(
                slot=row,
                on=local_day(post.publish_at),
                due_at=post.publish_at,
                moment=post,
            )
            for post in posts[slot::72]  # One a day.
        )
    assert cost() <= few <= 14
