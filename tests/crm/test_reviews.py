"""Costs and lessons of sends and of posts to Moments: one table each, a line of one thing."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.moments.models import Moment
from crm.moments.schedule import wall_of, wall_text
from crm.reviews.actions import (
    MOST_LINES,
    CostLine,
    ReviewRefused,
    drop_cost,
    note_cost,
    note_lesson,
    start_next_moment,
)
from crm.reviews.models import ReviewCost, ReviewLesson
from crm.shared.times import corp_zone
from tests import factories
from tests.analytics.send_world import made_send

pytestmark = pytest.mark.django_db
LINE = CostLine("拍照", "发票 7", amount_cents=5_000)


@pytest.fixture
def operator():
    return factories.make_user(Role.OPERATOR)


@pytest.fixture
def moment():
    at = (timezone.now() - timedelta(days=3)).replace(second=0, microsecond=0)
    wall = wall_text(at.astimezone(corp_zone()).replace(tzinfo=None))
    return Moment.unsafe_all.create(
        title="三亚早鸟", text="早", publish_at=at, publish_wall=wall, everyone=True,
        content_hash="x", state="done", wecom_moment_id="m1",
    )  # fmt: skip


@pytest.mark.parametrize("table", [ReviewCost, ReviewLesson])
def test_a_line_belongs_to_a_send_or_to_a_post_and_to_no_more_and_no_less(moment, table):
    more = {"label": "a", "amount_cents": 1, "source": "b"} if table is ReviewCost else {}
    send = made_send()
    for of in ({}, {"send": send, "moment": moment}):
        with pytest.raises(IntegrityError, match="is_of_one_thing"), transaction.atomic():
            table.objects.create(noted_at=timezone.now(), **of, **more)
    for of in ({"send": send}, {"moment": moment}):
        table.objects.create(noted_at=timezone.now(), **of, **more)


def test_what_is_noted_of_a_post_is_kept_there_and_told_in_its_trail(moment, operator):
    send, now = made_send(), timezone.now()
    cost = note_cost(of=moment, line=LINE, by=operator, now=now)
    note_lesson(of=moment, text="图太暗", by=operator, now=now)
    assert [line.amount_cents for line in moment.costs.all()] == [5_000]
    assert not send.costs.exists() and not send.lessons.exists()
    drop_cost(of=send, cost_id=cost.pk, by=operator, now=now)  # Another thing's line stays.
    assert moment.costs.exists()
    drop_cost(of=moment, cost_id=cost.pk, by=operator, now=now)
    assert not moment.costs.exists()
    trail = AuditEntry.objects.filter(object_type="moment", object_id=str(moment.pk))
    deeds = set(trail.values_list("action", flat=True))
    assert deeds == {"moment.cost", "moment.cost_dropped", "moment.lesson"}


def test_a_post_takes_no_more_lines_than_its_review_can_hold(moment, operator):
    for _n in range(MOST_LINES):
        note_cost(of=moment, line=LINE, by=operator, now=timezone.now())
    with pytest.raises(ReviewRefused):
        note_cost(of=moment, line=LINE, by=operator, now=timezone.now())
    note_cost(of=made_send(), line=LINE, by=operator, now=timezone.now())


def test_the_next_post_begins_from_this_one_with_its_lessons_beside(client, moment, operator):
    note_lesson(of=moment, text="周末发得太晚", by=operator, now=timezone.now())
    made = start_next_moment(moment=moment, by=operator, now=timezone.now())
    assert (made.follows, made.state, made.text) == (moment, "draft", moment.text)
    assert (made.approved_by, made.wecom_moment_id) == (None, None)
    assert timezone.now() < made.publish_at < timezone.now() + timedelta(days=2)
    assert wall_of(made.publish_wall).time() == wall_of(moment.publish_wall).time()
    client.force_login(operator)
    page = client.get(reverse("crm:moments:edit", args=[made.pk])).content.decode()
    assert "周末发得太晚" in page
    moment.delete()
    made.refresh_from_db()
    assert made.follows is None
