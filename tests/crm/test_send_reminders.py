"""Agents who have not pressed send are reminded, three times a day at most, and never once sent."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.urls import reverse

from crm import wecom
from crm.agents.access import Role
from crm.outbox.models import OutboxItem
from crm.outreach.actions import NotAllowed
from crm.outreach.models import MassBatch, MassSend
from crm.outreach.reminders import remind_agents, remind_laggards
from crm.shared.times import corp_zone
from tests.crm.test_outreach import SendWorld, followed
from tests.factories import make_user
from tests.waiting import eventually, somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db
METHOD = "externalcontact/remind_groupmsg_send"
KIND = "mass_send.remind"


@pytest.fixture
def world(sandbox, settings, db):
    world = SendWorld(sandbox, settings)
    world.send = world.sent(batch=1000)
    world.work()
    world.pass_(seconds=30)  # Just created, WeCom would say 41063.
    return world


def remind(world) -> int:
    queued = remind_agents(send_id=world.send.pk, by=world.author, now=world.clock())
    world.work()
    return queued


def said(world, minutes: float) -> str:
    """When the next reminder is free, as an operator reads it; the tests' own seconds may pass."""
    at = (world.clock() + timedelta(minutes=minutes)).astimezone(corp_zone())
    return "|".join(f"{at - timedelta(minutes=n):%m-%d %H:%M}" for n in range(2))


def reminded(world) -> list[str]:
    return [entry["body"]["msgid"] for entry in world.sandbox.ledger(METHOD)]


def states() -> set[tuple[str, str]]:
    items = OutboxItem.unsafe_all.filter(kind=KIND)
    return set(items.values_list("state", "reason_code"))


def test_whoever_has_sent_is_left_in_peace_and_all_others_are_reminded_once(world):
    world.sandbox.step("send_mass", msgid=world.send.batches.first().msgid)
    followed(world)  # Some have sent by themselves in the meantime.
    others = list(world.send.batches.filter(confirmed_at=None))
    assert 0 < len(others) < world.send.batches.count()
    assert remind(world) == len(others)
    assert sorted(reminded(world)) == sorted(batch.msgid for batch in others)
    assert set(MassBatch.unsafe_all.values_list("reminders", flat=True)) == {0, 1}


def test_not_twice_within_half_an_hour_and_three_times_in_a_day(world):
    batches = world.send.batches.count()
    for turn in range(3):
        assert remind(world) == batches
        # The first of three was 62 minutes ago.
        free_after = 30 if turn < 2 else 24 * 60 - 62
        with pytest.raises(NotAllowed, match=said(world, minutes=free_after)):
            remind(world)
        assert len(reminded(world)) == batches * (turn + 1)
        world.pass_(minutes=31)
    with pytest.raises(NotAllowed, match=said(world, minutes=24 * 60 - 93)):
        remind(world)
    world.pass_(hours=24)
    assert remind(world) == batches


def test_laggards_are_reminded_by_themselves_after_so_many_hours(world, settings):
    settings.SEND_REMIND_HOURS = [8.0, 2.0]
    world.sandbox.step("send_mass", msgid=world.send.batches.first().msgid)
    followed(world)  # Some have sent by themselves in the meantime.
    others = world.send.batches.filter(confirmed_at=None).count()
    assert 0 < others < world.send.batches.count()
    told = []
    for minutes in (60, 61, 60, 5 * 60, 60, 60):
        world.pass_(minutes=minutes)
        told.append(remind_laggards(now=world.clock()))
        world.work()
    assert told == [0, others, 0, others, 0, 0]
    assert len(reminded(world)) == 2 * others


def test_whoever_sends_between_the_request_and_the_call_is_not_reminded(world):
    first = world.send.batches.first()
    remind_agents(send_id=world.send.pk, by=world.author, now=world.clock())
    MassBatch.unsafe_all.filter(pk=first.pk).update(confirmed_at=world.clock())
    world.work()
    assert first.msgid not in reminded(world)
    assert ("skipped", "sent") in states()


def test_a_reminder_whose_answer_was_lost_is_not_repeated(world):
    world.sandbox.fault(METHOD, "effect_then_timeout", count=1)
    remind(world)
    world.pass_(minutes=20)
    world.work()
    assert len(reminded(world)) == len(set(reminded(world))) == world.send.batches.count()
    assert not OutboxItem.unsafe_all.open().exists()


def test_what_others_have_used_up_at_wecom_is_said(world):
    batch = world.send.batches.first()
    for _n in range(3):
        wecom.client().remind_mass_send(batch.msgid)
    remind(world)
    item = OutboxItem.unsafe_all.get(kind=KIND, subject_id=batch.pk)
    assert item.state == OutboxItem.State.FAILED
    assert item.reason


def test_the_page_reminds_and_says_when_nobody_is_left(world, client):
    client.force_login(make_user(Role.OPERATOR))
    url = reverse("crm:outreach:remind", args=[world.send.pk])
    assert url in client.get(reverse("crm:outreach:detail", args=[world.send.pk])).content.decode()
    assert client.post(url).status_code == 302
    assert client.post(url).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_reminding_and_dispatching_do_not_lock_each_other_out(world):
    """A dispatcher holds a batch and then wants its send; whoever reminds may not hold the send."""
    batch, ends = world.send.batches.first(), []

    def remind_now() -> None:
        try:
            ends.append(remind_agents(send_id=world.send.pk, by=world.author, now=world.clock()))
        finally:
            connection.close()

    thread = threading.Thread(target=remind_now)
    with transaction.atomic():
        MassBatch.unsafe_all.select_for_update().get(pk=batch.pk)
        thread.start()
        eventually(somebody_waits_for_a_lock)
        MassSend.unsafe_all.select_for_update().get(pk=world.send.pk)
    thread.join()
    assert ends == [world.send.batches.count()]


def twenty_press_at_once(world) -> int:
    """How many reminders they were told of, together."""
    told, gate = [], threading.Barrier(20)

    def press() -> None:
        try:
            gate.wait()
            told.append(remind_agents(send_id=world.send.pk, by=world.author, now=world.clock()))
        except NotAllowed:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(told)


@pytest.mark.django_db(transaction=True)
def test_twenty_who_press_at_once_remind_everybody_once(world):
    assert twenty_press_at_once(world) == world.send.batches.count()
    world.work()
    assert len(reminded(world)) == world.send.batches.count()


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_lock_more_are_told_of_than_go_out(world, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "send.remind")
    assert twenty_press_at_once(world) > world.send.batches.count()
