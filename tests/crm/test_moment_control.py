"""A control of a post: out of the tag before the first call, for as long as it is observed."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.customers.models import Contact
from crm.moments import actions
from crm.moments.content import MomentRejected
from crm.moments.models import Moment
from crm.outbox.dispatcher import dispatch
from crm.tagging import audience_tags
from crm.tagging.models import AudienceTag
from crm.trials.models import CONTROL, Assignment, Trial
from tests.crm.test_audience_tags import AudienceWorld

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(wecom_sandbox, settings):
    found = AudienceWorld(wecom_sandbox, settings)
    found.give()
    found.work()
    return found


def tag_of(world):
    return AudienceTag.unsafe_all.get(audience=world.first).tag


def approved(world, **overrides) -> Moment:
    given = {"tag_ids": (tag_of(world).pk,), "sender_ids": (), "control_percent": 50}
    return world.approved(**given | {"publish_wall": world.wall(hours=3)} | overrides)


def held(moment: Moment) -> set[int]:
    rows = Assignment.unsafe_all.filter(trial=moment.trial_id, arm=CONTROL)
    return set(rows.values_list("customer_id", flat=True))


def carriers(world) -> set[int]:
    """Customers who carry the tag at WeCom."""
    numbers = {external for _userid, external in world.carriers(tag_of(world).wecom_id)}
    contacts = Contact.unsafe_all.filter(customer__external_userid__in=numbers)
    return set(contacts.values_list("customer_id", flat=True))


def test_the_control_is_drawn_before_the_call_and_the_call_waits_for_its_tags(world):
    moment = approved(world)
    control = held(moment)
    assert len(control) == 2
    assert moment.trial.holds_until == moment.publish_at + timedelta(days=7)
    world.pass_(hours=3, minutes=1)
    dispatch(clock=world.clock)
    assert world.created_at_wecom() == 0
    assert "对照组还有" in world.item().reason
    world.work()
    world.pass_(minutes=20)
    world.dispatch()
    assert world.created_at_wecom() == 1
    assert not carriers(world) & control
    assert carriers(world) == set(
        Assignment.unsafe_all.exclude(arm=CONTROL).values_list("customer_id", flat=True)
    )


def test_the_daily_round_leaves_the_control_out_until_the_days_are_over(world):
    moment = approved(world)
    world.work()
    assert audience_tags.keep_all() == 0
    Trial.unsafe_all.update(holds_until=timezone.now() - timedelta(minutes=1))
    assert audience_tags.keep_all() >= len(held(moment))
    world.work()
    assert world.carriers(tag_of(world).wecom_id) == world.relations(world.first)


def test_an_edit_forgets_the_draw_and_the_next_approval_draws_the_same(world):
    moment = approved(world)
    first = held(moment)
    content = world.content(
        tag_ids=(tag_of(world).pk,), sender_ids=(), control_percent=50, text="改了",
        publish_wall=world.wall(hours=4),
    )  # fmt: skip
    edited = actions.edit_moment(
        moment_id=moment.pk, version=moment.version, content=content, by=world.author,
        now=world.clock(),
    )  # fmt: skip
    assert not held(edited)
    world.work()
    assert world.carriers(tag_of(world).wecom_id) == world.relations(world.first)
    actions.submit_moment(
        moment_id=moment.pk, version=edited.version, by=world.author, now=world.clock()
    )
    edited.refresh_from_db()
    actions.approve_moment(
        moment_id=moment.pk, seen_hash=edited.content_hash, by=world.approver, now=world.clock()
    )
    edited.refresh_from_db()
    assert held(edited) == first


def test_a_cancelled_post_gives_the_tag_back(world):
    moment = approved(world)
    actions.cancel_moment(moment_id=moment.pk, by=world.author, now=world.clock())
    world.work()
    assert not held(moment)
    assert world.carriers(tag_of(world).wecom_id) == world.relations(world.first)


def test_a_control_needs_one_tag_that_follows_an_audience(world):
    with pytest.raises(MomentRejected) as refused:
        world.submitted(control_percent=10)
    assert refused.value.field == "control_percent"
    with pytest.raises(MomentRejected):
        world.submitted(control_percent=10, sender_ids=(), tag_ids=(world.tag.pk,))
    with pytest.raises(MomentRejected):
        world.drafted(control_percent=60)


def test_the_form_keeps_the_share_and_the_page_says_when_it_was_drawn(world, client):
    client.force_login(world.author)
    page = client.get(reverse("crm:moments:new")).content.decode()
    assert 'name="control_percent"' in page
    moment = approved(world)
    page = client.get(reverse("crm:moments:detail", args=[moment.pk])).content.decode()
    assert "50%" in page
    assert "已抽签" in page
