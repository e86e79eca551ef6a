"""Every date of a slot is one of planned, empty, missed, done; the last two stay."""

from datetime import date, datetime, time, timedelta

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.content.models import MaterialUse
from crm.moments.actions import (
    cancel_moment,
    reschedule_moment,
)
from crm.moments.models import Moment
from crm.shared.times import local_day
from crm.slots.actions import (
    SlotContent,
    SlotRefused,
    StaleSlot,
    archive_slot,
    restore_slot,
    save_slot,
)
from crm.slots.filling import fill_slots, settle
from crm.slots.models import PostSlot, SlotDate
from crm.slots.pattern import HORIZON, dates_of, standing_of
from crm.slots.queries import slot_days
from tests.factories import make_user
from tests.slot_world import (
    NOW,
    a_face,
    a_slot,
    at,
    day,
    materials,
    moved,
    post_of,
    published,
    standings,
)

Standing, Reason = SlotDate.Standing, SlotDate.Reason


@pytest.fixture
def operator(db):
    return make_user(Role.OPERATOR)


@pytest.fixture
def face(operator):
    return a_face(operator)


# What a date comes to


@pytest.fixture
def filled(operator, face):
    materials(operator, 20)
    slot = a_slot(operator, face)
    fill_slots(now=NOW)
    return slot


def test_a_date_without_anything_published_is_missed_and_stays_so(operator, filled):
    later = at(1)  # Ten o'clock of the next day; the draft was for eight.
    assert standings(filled, later)[day(1)] == "missed"
    assert settle(now=later) == 1 and settle(now=later) == 0
    moved(post_of(filled, day(1)), "2026-11-25T09:00", by=operator, now=later)
    published(post_of(filled, day(1)))
    settle(now=at(6))
    assert standings(filled, at(6))[day(1)] == "missed"


def test_a_published_date_is_done_and_one_that_waits_for_agents_is_planned_until_the_day_ends(
    filled,
):
    published(post_of(filled, day(1)))
    waiting = post_of(filled, day(2))
    Moment.unsafe_all.filter(pk=waiting.pk).update(state="created")
    assert standings(filled, at(2))[day(1)] == "done"
    assert standings(filled, at(2))[day(2)] == "planned"
    assert standings(filled, at(3))[day(2)] == "missed"
    settle(now=at(2))
    Moment.unsafe_all.filter(pk=post_of(filled, day(1)).pk).update(state="cancelled")
    assert standings(filled, at(3))[day(1)] == "done"


def test_a_draft_that_is_moved_keeps_its_slot(operator, filled):
    post = moved(post_of(filled, day(1)), "2026-11-24T09:00", by=operator, now=NOW)
    settle(now=at(1))
    assert standings(filled, at(1))[day(1)] == "planned"
    assert fill_slots(now=at(1)) == 1  # The day that came into sight; not the one that moved.
    [told] = [one for one in slot_days(first=day(4), last=day(4), now=NOW) if one.on == day(1)]
    assert told.has_moved and told.moment_id == post.pk
    assert settle(now=at(4) + timedelta(hours=1)) >= 1
    assert standings(filled, at(5))[day(1)] == "missed"


def test_a_cancelled_draft_leaves_its_date_empty_and_is_not_written_again(operator, filled):
    post = post_of(filled, day(3))
    cancel_moment(moment_id=post.pk, by=operator, now=NOW)
    assert standings(filled, NOW)[day(3)] == "empty"
    assert fill_slots(now=NOW) == 0
    [told] = slot_days(first=day(3), last=day(3), now=NOW)
    assert told.reason == Reason.CANCELLED and "取消" in told.words
    assert standings(filled, at(4))[day(3)] == "missed"


def test_days_on_which_nothing_ran_are_missed_all_the_same(filled):
    month = at(30)
    fill_slots(now=month)
    settle(now=month)
    said = standings(filled, month)
    assert set(said) == {day(n) for n in range(1, 44)}
    assert {said[day(n)] for n in range(1, 31)} == {"missed"}
    assert {said[day(n)] for n in range(31, 44)} == {"planned"}


def test_another_pattern_counts_from_now_on_and_the_past_stays(operator, filled):
    settle(now=at(2))
    content = SlotContent("早安问候", filled.face, (0,), time(9), 3, topic="早安")
    row = save_slot(content=content, by=operator, now=at(2), slot=filled, version=1)
    assert row.since == day(3)
    fill_slots(now=at(2))
    on = set(row.dates.values_list("on", flat=True))
    assert {day(n) for n in range(1, HORIZON)} <= on  # Drafts that stand keep their day.
    assert [d for d in sorted(on) if d > day(13)] == []
    fill_slots(now=at(12))
    assert max(row.dates.values_list("on", flat=True)) == day(24)  # The Monday.
    with pytest.raises(StaleSlot):
        save_slot(content=content, by=operator, now=at(2), slot=filled, version=1)


def test_an_archived_slot_is_not_filled_and_its_empty_dates_go(operator, face):
    materials(operator, 1, reuse_days=30)
    slot = a_slot(operator, face)
    fill_slots(now=NOW)
    archive_slot(slot=slot, version=1, by=operator, now=NOW)
    assert fill_slots(now=at(1)) == 0
    assert list(slot.dates.values_list("on", flat=True)) == [day(1)]
    restore_slot(slot=slot, version=2, by=operator, now=at(5))
    fill_slots(now=at(5))
    assert min(slot.dates.filter(moment=None).values_list("on", flat=True)) == day(6)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"weekdays": ()}, "weekdays"),
        ({"weekdays": (7,)}, "weekdays"),
        ({"reuse_days": 0}, "reuse_days"),
        ({"topic": ""}, "topic"),
    ],
)
def test_what_cannot_stand_is_refused_at_its_field(operator, face, wrong, field):
    with pytest.raises(SlotRefused) as refused:
        a_slot(operator, face, **wrong)
    assert refused.value.field == field and not PostSlot.objects.exists()


# Every pattern


FATES = ("left", "published", "created", "cancelled", "moved")


@st.composite
def worlds(draw):
    return {
        "patterns": draw(
            st.lists(
                st.tuples(
                    st.sets(st.integers(0, 6), min_size=1),
                    st.integers(0, 23),
                    st.integers(1, 12),
                ),
                min_size=1,
                max_size=2,
            )
        ),
        "pool": draw(
            st.lists(
                st.tuples(st.integers(0, 12), st.lists(st.integers(-20, 20), max_size=2)),
                max_size=4,
            )
        ),
        "fates": draw(st.lists(st.sampled_from(FATES), min_size=1, max_size=8)),
        "hours": draw(st.integers(0, 24 * 20)),
    }


def _suffer(fate: str, post: Moment, by) -> None:
    if fate == "published":
        published(post)
    elif fate == "created":
        Moment.unsafe_all.filter(pk=post.pk).update(state="created")
    elif fate == "cancelled":
        cancel_moment(moment_id=post.pk, by=by, now=NOW)
    elif fate == "moved":
        wall = datetime.fromisoformat(post.publish_wall) + timedelta(days=2)
        said = {"moment_id": post.pk, "version": post.version, "by": by, "now": NOW}
        reschedule_moment(publish_wall=wall, **said)


def _hold_intervals(slots: list[PostSlot]) -> None:
    """No draft stands nearer to another use of its material than the interval of either."""
    for slot in slots:
        for row in slot.dates.exclude(moment=None).select_related("moment__material"):
            material = row.moment.material
            apart = max(slot.reuse_days, material.reuse_days)
            others = material.uses.exclude(subject_type="moment", subject_id=row.moment_id)
            days = [local_day(used) for used in others.values_list("used_at", flat=True)]
            assert all(abs((row.on - used).days) >= apart for used in days)


@pytest.mark.django_db
@settings(max_examples=40, deadline=None)
@given(world=worlds())
def test_no_material_twice_inside_its_interval_and_every_date_is_one_thing(world):
    with transaction.atomic():
        _live_through(world)
        transaction.set_rollback(True)


def _live_through(world: dict) -> None:
    by = make_user(Role.OPERATOR)
    for number, (own, uses) in enumerate(world["pool"]):
        [one] = materials(by, 1, reuse_days=own, text=f"早安 {number}")
        for n in uses:
            MaterialUse.objects.create(
                material=one, version=1, subject_type="send", used_at=at(n), used_by=by
            )
    slots = [
        a_slot(
            by, a_face(by), name=f"栏目{n}", weekdays=tuple(days), at=time(hour), reuse_days=apart
        )
        for n, (days, hour, apart) in enumerate(world["patterns"])
    ]
    fill_slots(now=NOW)
    fill_slots(now=NOW)
    _hold_intervals(slots)
    rows = SlotDate.objects.exclude(moment=None).select_related("moment").order_by("pk")
    for number, row in enumerate(rows):
        _suffer(world["fates"][number % len(world["fates"])], row.moment, by)
    then = NOW + timedelta(hours=world["hours"])
    settle(now=then)
    fill_slots(now=then)
    first = {}
    for slot in slots:
        first[slot.pk] = _one_thing_each(slot, then)
    settle(now=then + timedelta(days=40))
    for slot in slots:
        after = standings(slot, then + timedelta(days=40))
        assert set(after.values()) <= {"missed", "done"}
        ended = {on: said for on, said in first[slot.pk].items() if said in ("missed", "done")}
        assert all(after[on] == said for on, said in ended.items())


def _one_thing_each(slot: PostSlot, now: datetime) -> dict[date, str]:
    said = standings(slot, now)
    last = local_day(now) + timedelta(days=HORIZON - 1)
    expected = set(dates_of(slot.weekdays, slot.since, last))
    assert set(said) == expected
    assert set(said.values()) <= set(Standing.values)
    for row in slot.dates.select_related("moment"):
        if said[row.on] == "empty":
            assert row.due_at > now and (row.reason or row.moment.state == "cancelled")
        if said[row.on] == "planned":
            assert row.moment is not None
    return said


@given(
    outcome=st.sampled_from(["", "missed", "done"]),
    state=st.sampled_from([None, *Moment.State.values]),
    hours=st.integers(-60, 60),
    moved=st.integers(-60, 60),
    is_published=st.booleans(),
)
def test_a_date_is_never_empty_or_planned_once_its_day_is_over(
    outcome, state, hours, moved, is_published
):
    said = standing_of(
        outcome=outcome,
        due=NOW + timedelta(hours=hours),
        state=state,
        publish_at=None if state is None else NOW + timedelta(hours=moved),
        is_published=is_published and state is not None,
        now=NOW,
    )
    if outcome:
        assert said == outcome
    if said == "empty":
        assert hours > 0 and state in (None, "cancelled")
    if said == "planned":
        assert moved > -24
