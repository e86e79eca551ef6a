"""Recurring slots: filled ahead with drafts, and never the same material too soon."""

import threading
from datetime import UTC, date, datetime, time
from itertools import pairwise

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from crm.agents.access import Role
from crm.agents.models import Agent, AuditEntry
from crm.audiences.actions import freeze_audience
from crm.content.models import Material, MaterialUse, SensitiveWord
from crm.content.pictures import store_picture
from crm.faces.actions import archive_face
from crm.moments.actions import (
    NotAllowed,
    approve_moment,
    submit_moment,
)
from crm.moments.models import Moment
from crm.shared.times import local_day
from crm.slots.actions import (
    SlotContent,
    save_slot,
)
from crm.slots.choosing import Candidate, least_lately_used
from crm.slots.filling import fill_slot, fill_slots
from crm.slots.models import PostSlot, SlotDate
from crm.slots.pattern import HORIZON, due_at
from crm.tagging.models import AudienceTag
from tests.factories import make_agent, make_department, make_friend, make_tag, make_user
from tests.moment_world import picture
from tests.slot_world import (
    NOW,
    TODAY,
    a_face,
    a_slot,
    at,
    day,
    materials,
    standings,
)

Standing, Reason = SlotDate.Standing, SlotDate.Reason


@pytest.fixture
def operator(db):
    return make_user(Role.OPERATOR)


@pytest.fixture
def face(operator):
    return a_face(operator)


# Choosing


def test_the_one_that_has_rested_longest_is_chosen_and_none_that_rests():
    fresh = Candidate(3, 7)
    old, recent = Candidate(1, 7, {day(-30): 0}), Candidate(2, 7, {day(-8): 0})
    resting, ahead = Candidate(4, 7, {day(-6): 0}), Candidate(5, 7, {day(2): 0})
    over = Candidate(6, 7, expires_on=day(-1))
    everything = [old, recent, resting, ahead, over]
    assert least_lately_used([*everything, fresh], TODAY) is fresh
    assert least_lately_used(everything, TODAY) is old
    assert least_lately_used([recent, resting, ahead, over], TODAY) is recent
    assert least_lately_used([resting, ahead, over], TODAY) is None
    assert resting.is_free(day(1)) and not resting.is_free(TODAY)
    # Another slot wants what it used to rest for longer.
    assert not Candidate(7, 7, {day(-8): 9}).is_free(TODAY)


# Filling


def test_the_coming_fourteen_days_get_one_draft_each_and_nothing_is_approved(operator, face):
    pool = materials(operator, 5)
    slot = a_slot(operator, face)
    assert fill_slots(now=NOW) == 13  # Eight o'clock of today is over.
    posts = list(Moment.unsafe_all.order_by("publish_at"))
    assert [local_day(post.publish_at) for post in posts] == [day(n) for n in range(1, HORIZON)]
    assert {post.publish_wall[11:] for post in posts} == {"08:00"}
    assert {post.state for post in posts} == {"draft"}
    # In turn, each as far apart as the pool allows.
    assert [post.material_id for post in posts] == ([one.pk for one in pool] * 3)[:13]
    assert {post.title for post in posts} == {"早安问候"}
    assert set(posts[0].senders.all()) == set(face.agents.all())
    assert list(posts[0].tags.all()) == [face.tag]
    assert fill_slots(now=NOW) == 0
    assert fill_slots(now=at(1)) == 1
    assert slot.dates.count() == 14
    assert AuditEntry.objects.filter(action="slot.fill").count() == 2


def test_the_author_of_the_slot_cannot_approve_its_posts(operator):
    root = make_department()
    agent = make_agent(department=root)
    face = a_face(operator, agents=(agent,), tag=(tag := make_tag()))
    make_friend(agent).contacts.get().tags.add(tag)
    materials(operator, 1)
    managers = [make_user(Role.MANAGER, departments=[root]) for _n in range(2)]
    a_slot(managers[0], face, weekdays=(5,))
    fill_slots(now=NOW)
    post = Moment.unsafe_all.order_by("publish_at").first()
    post = submit_moment(moment_id=post.pk, version=post.version, by=operator, now=NOW)
    said = {"moment_id": post.pk, "seen_hash": post.content_hash, "now": NOW}
    with pytest.raises(NotAllowed):
        approve_moment(by=managers[0], **said)
    assert approve_moment(by=managers[1], **said).state == "approved"


def test_what_rests_is_not_used_and_the_date_says_so(operator, face):
    materials(operator, 1, reuse_days=7)  # Its own interval is longer than the slot's.
    slot = a_slot(operator, face)
    assert fill_slots(now=NOW) == 2
    planned = [on for on, said in standings(slot, NOW).items() if said == "planned"]
    assert planned == [day(1), day(8)]
    assert set(slot.dates.filter(moment=None).values_list("reason", flat=True)) == {"resting"}
    # Somebody adds one: the gaps are filled.
    materials(operator, 1)
    assert fill_slots(now=NOW) == 4
    assert slot.dates.filter(moment=None).count() == 7


def test_uses_anywhere_count_those_that_were_dropped_and_copies_do_not(operator, face):
    [one] = materials(operator, 1)
    for kind, n, number in (("send", 3, 1), ("copy", 1, None)):
        MaterialUse.objects.create(
            material=one, version=1, used_at=at(n), subject_type=kind, subject_id=number,
            used_by=operator,
        )  # fmt: skip
    slot = a_slot(operator, face, reuse_days=3, weekdays=(6,))  # Sundays: the 22nd, the 29th.
    assert fill_slots(now=NOW) == 1
    assert dict(slot.dates.values_list("on", "reason")) == {day(2): "resting", day(9): ""}


def test_two_slots_that_share_a_pool_never_use_one_material_too_soon(operator, face):
    materials(operator, 3)
    a_slot(operator, face, reuse_days=3)
    a_slot(operator, a_face(operator), name="晚安", at=time(21), reuse_days=3)
    fill_slots(now=NOW)
    used: dict[int, list[date]] = {}
    for post in Moment.unsafe_all.order_by("publish_at"):
        used.setdefault(post.material_id, []).append(local_day(post.publish_at))
    for days in used.values():
        assert all((b - a).days >= 3 for a, b in pairwise(days))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda by, face: Material.unsafe_all.update(is_archived=True), "no_pool"),
        (lambda by, face: Material.unsafe_all.update(tier="personal"), "no_pool"),
        (lambda by, face: Material.unsafe_all.update(link_url="https://a.example"), "unfit"),
        (lambda by, face: Material.unsafe_all.update(text="{{name|您}}早"), "unfit"),
        (lambda by, face: Material.unsafe_all.update(text="早" * 2001), "unfit"),
        (lambda by, face: Material.unsafe_all.update(expires_on=TODAY), "unfit"),
        (lambda by, face: SensitiveWord.objects.create(word="早安"), "unfit"),
        (lambda by, face: Agent.unsafe_all.update(status="left"), "no_agents"),
        (lambda by, face: archive_face(face=face, version=1, by=by, now=NOW), "no_face"),
    ],
)
def test_a_date_that_nothing_can_be_drafted_for_says_why(operator, face, spoil, reason):
    materials(operator, 2)
    slot = a_slot(operator, face)
    spoil(operator, face)
    assert fill_slot(slot.pk, now=NOW) == 0
    assert not Moment.unsafe_all.exists()
    assert set(slot.dates.values_list("reason", flat=True)) == {reason}
    assert set(standings(slot, NOW).values()) == {"empty"}


def test_a_post_for_an_audience_is_narrowed_by_the_tag_that_it_carries(operator):
    agent = make_agent()
    friend = make_friend(agent)
    audience = freeze_audience(name="银发", customer_ids=[friend.pk], by=operator, now=NOW)
    face = a_face(operator, audience=audience, agents=(agent,))
    carried = make_tag()
    AudienceTag.unsafe_all.create(audience=audience, name="银发", tag=carried)
    materials(operator, 9)
    a_slot(operator, face)
    fill_slots(now=NOW)
    assert list(Moment.unsafe_all.first().tags.all()) == [carried]


def test_a_time_that_the_clocks_leap_over_is_empty_and_the_wall_time_stays(
    operator, face, settings
):
    settings.CORP_TIME_ZONE = "Europe/Berlin"
    before = datetime(2027, 3, 20, 12, tzinfo=UTC)
    materials(operator, 20)
    content = SlotContent("早安", face, tuple(range(7)), time(2, 30), 1, topic="早安")
    slot = save_slot(content=content, by=operator, now=before)
    fill_slots(now=before)
    told = dict(slot.dates.values_list("on", "reason"))
    leap = date(2027, 3, 28)
    assert told.pop(leap) == "no_time" and set(told.values()) == {""}
    walls = set(Moment.unsafe_all.values_list("publish_wall", flat=True))
    assert {wall[11:] for wall in walls} == {"02:30"}
    hours = {one.publish_at.hour for one in Moment.unsafe_all.all()}
    assert hours == {1, 0}  # Winter and summer.
    assert due_at(leap, time(2, 30), "Europe/Berlin") == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)


# At once


def _filled_at_once(slot: PostSlot) -> int:
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        try:
            fill_slot(slot.pk, now=NOW)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Moment.unsafe_all.filter(title=slot.name).count()


def _waiting(by, n: int) -> PostSlot:
    """A slot whose dates are open and empty, and a pool that has just been filled."""
    topic = f"早安{n}"
    slot = a_slot(by, a_face(by), name=topic, topic=topic, reuse_days=1)
    fill_slot(slot.pk, now=NOW)
    materials(by, 3, topic=topic)
    return slot


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("are_open", [True, False])
def test_two_workers_at_once_write_one_draft_for_a_date(are_open):
    by = make_user(Role.OPERATOR)
    slot = _waiting(by, 0)
    if not are_open:
        SlotDate.objects.all().delete()
    assert _filled_at_once(slot) == 13 == slot.dates.exclude(moment=None).count()


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_lock_two_workers_write_two(monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "slots.fill")
    by, written = make_user(Role.OPERATOR), 0
    for n in range(10):
        written = _filled_at_once(_waiting(by, n))
        if written > 13:
            break
    assert written > 13


def test_pictures_and_links_with_a_cover_go_on_the_post_and_what_lacks_one_stays(
    operator, tmp_path, settings
):
    settings.MEDIA_ROOT = tmp_path
    face = a_face(operator)
    upload = SimpleUploadedFile("湖.png", picture().read())
    scenery = store_picture(upload=upload, name="湖.png", by=operator)
    materials(operator, 1, kind="image", title="晨景", text="", picture=scenery)
    materials(
        operator,
        1,
        kind="link",
        title="有封面",
        text="看看",
        picture=scenery,
        link_url="https://a.example/1",
        link_title="路线",
    )
    materials(
        operator,
        1,
        kind="link",
        title="没有封面",
        text="看看",
        link_url="https://a.example/2",
        link_title="路线",
    )
    materials(
        operator,
        1,
        kind="program",
        title="小程序",
        text="",
        app_id="wx1234",
        app_page="p",
        picture=scenery,
    )
    slot = a_slot(operator, face, reuse_days=1)
    fill_slot(slot.pk, now=NOW)
    posts = list(Moment.unsafe_all.order_by("publish_at"))
    assert {post.material.title for post in posts} == {"晨景", "有封面"}
    for post in posts:
        [image] = post.images.all()
        assert (image.sha256, image.is_cover) == (scenery.sha256, bool(post.link_url))
