"""The gate's rules for groups, one cap for each, and for moments, where nobody can be left out."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.urls import reverse

from crm.customers.models import Contact, Customer
from crm.gate.models import TouchRule, TouchSlot
from crm.moments.content import MomentRejected
from crm.moments.models import Moment, MomentAudience, MomentTask
from crm.outreach import actions, caps
from crm.outreach.content import SendContent
from crm.outreach.gate import pass_gate
from crm.outreach.models import MassRecipient, MassSend
from crm.outreach.planning import dry_run, plan
from tests.crm.test_outreach import SendWorld
from tests.factories import make_group

pytestmark = pytest.mark.django_db
State, Check = MassRecipient.State, TouchRule.Check


@pytest.fixture
def world(sandbox, settings, db):
    return SendWorld(sandbox, settings)


def rule(world, test: str, channel: str, **given) -> TouchRule:
    since = world.clock() - timedelta(minutes=1)
    row = TouchRule(code="house", test=test, channel=channel, valid_from=since, **given)
    row.full_clean(exclude=["version"])
    row.save()
    return row


def post(world, groups, text: str = "秋游", kind: str = "promotion") -> MassSend:
    """A send to groups, planned and approved."""
    now = world.clock()
    content = SendContent(
        title=text, send_at=now, text=text, target="groups", content_kind=kind,
        group_ids=tuple(group.pk for group in groups),
    )  # fmt: skip
    send = actions.draft_send(content=content, by=world.author, now=now)
    with transaction.atomic():
        send.planned = plan(send, now=now)
        send.state, send.submitted_by = MassSend.State.WAITING, world.author
        send.save()
    return actions.approve_send(
        send_id=send.pk, seen_hash=send.content_hash, by=world.approver, now=now
    )


def fates(send: MassSend) -> set[tuple]:
    return set(send.recipients.values_list("state", "reason", "rule", "rule_version"))


# Groups


def test_a_group_hears_one_offer_a_week_and_is_greeted_all_the_same(world):
    groups = [make_group(world.agents[0]) for _n in range(2)]
    rule(world, Check.OWN_CAP, "group", limit=1, window="week", content_kinds=["promotion"])
    first = post(world, groups[:1])
    for batch in first.batches.all():
        pass_gate(batch, now=world.clock())
    caps.reserve(first.batches.get().pk, to_groups=True, now=world.clock())
    assert TouchSlot.objects.get().group == groups[0]
    second = post(world, groups)
    assert fates(second) == {("waiting", "", "", None), ("skipped", "own_cap", "house", 1)}
    assert second.recipients.get(state=State.SKIPPED).group == groups[0]
    assert fates(post(world, groups, kind="greeting")) == {("waiting", "", "", None)}
    told = dry_run(
        send_at=world.clock(), now=world.clock(), group_ids=[group.pk for group in groups]
    )
    assert (told.reached, told.left_out) == (1, (("own_cap", 1),))


def test_rules_of_one_channel_say_nothing_in_another(world):
    Customer.unsafe_all.update(stage="fatigue")
    rule(world, Check.STAGE, "send", stages=["fatigue"])
    assert fates(post(world, [make_group(world.agents[0])])) == {("waiting", "", "", None)}
    TouchRule.objects.all().delete()
    rule(world, Check.OWN_CAP, "group", limit=1, window="day")
    assert "own_cap" not in {reason for _s, reason, *_rest in fates(world.sent())}


def posts_at_once(world) -> Counter:
    """Fifty posts to the same group go out at the same instant; how many are left waiting."""
    group = make_group(world.agents[0])
    rule(world, Check.OWN_CAP, "group", limit=3, window="day")
    caps.ReceiveCap.objects.create(code=caps.CODE, valid_from=world.clock(), is_off=True)
    batches = [post(world, [group], text=str(n)).batches.get() for n in range(50)]
    ready = threading.Barrier(len(batches))

    def go(batch) -> None:
        try:
            ready.wait()
            pass_gate(batch, now=world.clock())
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=[batch]) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waiting = MassRecipient.unsafe_all.filter(batch__in=batches, state=State.WAITING)
    return Counter(waiting.values_list("group_id", flat=True))


@pytest.mark.django_db(transaction=True)
def test_fifty_posts_at_once_cannot_exceed_the_cap_of_a_group(world):
    assert set(posts_at_once(world).values()) == {3}
    assert set(TouchSlot.objects.values_list("n", flat=True)) == {1, 2, 3}


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_slots_fifty_posts_exceed_it(world, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "gate.slots")
    assert max(posts_at_once(world).values()) > 3


# Moments


def readers(world) -> list[int]:
    """Who sees a moment of the world's first three agents."""
    contacts = Contact.unsafe_all.current().filter(agent__in=world.agents[:3])
    return sorted(set(contacts.values_list("customer_id", flat=True)))


def tire(world, number: int) -> None:
    Customer.unsafe_all.update(stage="warm")
    Customer.unsafe_all.filter(pk__in=readers(world)[:number]).update(stage="fatigue")


def test_a_moment_that_too_many_should_not_see_is_not_submitted_and_one_below_is(world):
    people = len(readers(world))
    rule(world, Check.STAGE, "moment", stages=["fatigue"], most_percent=20)
    tire(world, people // 2)
    with pytest.raises(MomentRejected, match="house") as refused:
        world.submitted()
    assert refused.value.field == "tags"
    assert Moment.unsafe_all.get().state == "draft"
    tire(world, people // 5)
    moment = world.submitted(title="少打扰")
    [word] = moment.gate
    assert (word["rule"], word["version"], word["is_no"]) == ("house", 1, False)
    assert (word["people"], word["readers"]) == (people // 5, people)


def test_a_moment_that_grew_intrusive_before_its_hour_is_not_handed_over(world):
    rule(world, Check.STAGE, "moment", stages=["fatigue"], most_percent=20)
    tire(world, 0)
    moment = world.approved()
    tire(world, len(readers(world)))
    world.the_hour_comes()
    moment.refresh_from_db()
    assert (moment.state, moment.gate[0]["is_no"]) == ("failed", True)
    assert "house" in moment.failure and "没有发出" in moment.failure
    assert world.created_at_wecom() == 0


def test_moments_that_were_seen_count_and_the_moment_itself_does_not(world):
    rule(world, Check.OWN_CAP, "moment", limit=1, window="day", most_percent=50)
    moment = world.approved(title="第一条")
    task = MomentTask.unsafe_all.filter(moment=moment).first()
    MomentAudience.unsafe_all.bulk_create(
        MomentAudience(task=task, customer_id=pk, seen_at=moment.publish_at)
        for pk in readers(world)
    )
    with pytest.raises(MomentRejected, match="至多 1 次"):
        world.submitted(title="第二条")
    world.the_hour_comes()
    moment.refresh_from_db()
    assert moment.state != "failed", moment.failure
    later = world.submitted(title="第三条", publish_wall=world.wall(days=2))
    assert later.gate[0]["people"] == 0


def test_composing_shows_what_the_rules_would_say(world, client):
    rule(world, Check.STAGE, "moment", stages=["fatigue"], most_percent=20)
    tire(world, len(readers(world)))
    client.force_login(world.author)
    sent = {"senders": [agent.pk for agent in world.agents[:3]]}
    page = client.post(reverse("crm:moments:plan"), sent).content.decode()
    assert "规则 house" in page and "超过 20%" in page
    TouchRule.objects.create(
        code="house", test=Check.STAGE, channel="moment", is_off=True,
        valid_from=world.clock() + timedelta(days=1),
    )  # fmt: skip
    for wall, says_no in (
        ("", True),
        ("不是时间", True),
        (f"{world.wall(days=2):%Y-%m-%dT%H:%M}", False),
    ):
        page = client.post(reverse("crm:moments:plan"), sent | {"publish_wall": wall})
        assert ("超过 20%" in page.content.decode()) == says_no
    TouchRule.objects.filter(is_off=True).delete()
    tire(world, 0)
    moment = world.submitted()
    detail = client.get(reverse("crm:moments:detail", args=[moment.pk])).content.decode()
    assert "house" in detail


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"channel": "group", "test": "stage", "stages": ["fatigue"]}, "test"),
        ({"channel": "group", "test": "no_need", "days": 3, "signals": ["order_paid"]}, "test"),
        ({"channel": "moment", "test": "stage", "stages": ["fatigue"]}, "most_percent"),
        (
            {"channel": "moment", "test": "ignored", "limit": 1, "days": 3, "most_percent": 5},
            "test",
        ),
        (
            {
                "channel": "moment", "test": "stage", "stages": ["fatigue"], "most_percent": 5,
                "content_kinds": ["promotion"],
            },
            "content_kinds",
        ),
        ({"channel": "send", "test": "own_cap", "limit": 1, "most_percent": 5}, "most_percent"),
        (
            {"channel": "moment", "test": "stage", "stages": ["fatigue"], "most_percent": 101},
            "most_percent",
        ),
    ],
)  # fmt: skip
def test_a_rule_that_a_channel_cannot_follow_names_the_field(world, given, field):
    with pytest.raises(ValidationError) as refused:
        TouchRule(code="x", valid_from=world.clock(), **given).full_clean()
    assert field in refused.value.message_dict
