"""Many at once, a broker that forgets, a puller killed again and again; each with its twin."""

import os
import random
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from redis import Redis

from crm.archive.models import ArchivedMessage, ArchiveProgress
from crm.outbox.actions import NewItem, enqueue
from crm.outbox.models import OutboxItem, PlatformQuota, QuotaSlot
from crm.outbox.tasks import dispatch_due
from tests.crm.archive_helpers import plain, stored
from tests.crm.matrix.nursery import BELL
from tests.crm.matrix.outward import CREATE
from tests.factories import make_channel
from tests.moment_world import MomentWorld
from tests.waiting import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]
State = OutboxItem.State
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


@contextmanager
def bell(listeners: int):
    """Hold everybody back until all of them listen."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", [BELL])
        try:
            yield
            eventually(lambda: waiting_for_the_bell() == listeners, timeout=60)
        finally:
            cursor.execute("select pg_advisory_unlock(%s)", [BELL])


def waiting_for_the_bell() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_locks where objid = %s and not granted", [BELL])
        return cursor.fetchone()[0]


# Dispatchers


@pytest.fixture
def world(nursery, sandbox, settings):
    settings.MEDIA_ROOT = nursery.values["MEDIA_ROOT"]
    sandbox.control("settings", limits={"*": [], CREATE: []})
    PlatformQuota.objects.all().delete()  # What the platform caps is not the point here.
    return MomentWorld(sandbox, settings)


def six_dispatchers(world, nursery, **how: str) -> Counter:
    """Two beats ring three dispatchers at once; how often each of eight posts was made."""
    for number in range(8):
        world.approved(text=f"第{number}条")
    world.pass_(minutes=61)
    ahead = world.offset.total_seconds()
    with bell(6):
        running = [nursery.start("dispatch_at_the_bell", ahead=ahead, **how) for _n in range(6)]
    assert [nursery.wait(process) for process in running] == [0] * 6
    ledger = world.sandbox.ledger(CREATE)
    return Counter(row["body"]["text"]["content"] for row in ledger)


def test_two_beats_and_three_dispatchers_at_once_double_nothing(world, nursery):
    made = six_dispatchers(world, nursery)
    assert made == Counter(f"第{number}条" for number in range(8))
    assert set(OutboxItem.unsafe_all.values_list("state", flat=True)) == {State.DONE}


def test_twin_without_the_lock_of_the_claim_posts_are_made_twice(world, nursery):
    made = six_dispatchers(world, nursery, guard_off="outbox.claim")
    assert max(made.values()) > 1


# A cap


def fifty_takers(nursery) -> int:
    """Fifty processes want a unit of a quota of five, all at once; how many were granted."""
    PlatformQuota.objects.create(
        code="test.quota", window="day", limit=5, seconds=0, valid_from=NOW - timedelta(days=1)
    )
    channel = make_channel()
    items = [
        enqueue(NewItem(kind="k", key=f"i{n}", subject=channel, due_at=NOW), by=None)
        for n in range(50)
    ]
    with bell(50):
        running = [nursery.start("take", code="test.quota", item=item.pk) for item in items]
    return sum(nursery.wait(process) for process in running)


def test_fifty_workers_at_once_cannot_exceed_a_cap(nursery):
    assert fifty_takers(nursery) == 5
    assert QuotaSlot.objects.count() == 5


def test_twin_without_the_unique_slot_fifty_workers_exceed_the_cap(nursery):
    with connection.cursor() as cursor:
        cursor.execute("alter table crm_quotaslot drop constraint slot_taken_once")
    try:
        assert fifty_takers(nursery) > 5
    finally:
        QuotaSlot.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(
                "alter table crm_quotaslot add constraint slot_taken_once"
                " unique (code, subject, bucket, n)"
            )


# The broker


def wipe_in_mid_send(world, nursery) -> Redis:
    """Five posts are due and rung for; Valkey forgets everything while the second one is made."""
    broker = Redis(
        unix_socket_path=os.environ["CELERY_BROKER_URL"].split("://")[1].split("?")[0],
        db=int(os.environ["CELERY_BROKER_URL"].split("virtual_host=")[1]),
    )
    broker.delete("doorbell")  # Rings of earlier tests of this process.
    for number in range(5):
        world.approved(text=f"第{number}条")
        dispatch_due.delay()
    assert broker.llen("doorbell") == 5
    world.pass_(minutes=61)
    world.sandbox.fault(CREATE, "delay", delay=0.5)
    sending = nursery.start("dispatch", ahead=world.offset.total_seconds(), limit=3)
    eventually(lambda: world.created_at_wecom() >= 1)
    broker.flushdb()  # Its neighbour belongs to another test run.
    cache.clear()
    assert nursery.wait(sending) == 0
    world.sandbox.control("faults", verb="DELETE")
    return broker


def test_valkey_wiped_in_mid_send_loses_nothing(world, nursery):
    wipe_in_mid_send(world, nursery)
    nursery.run("dispatch", ahead=world.offset.total_seconds())  # The next sweep.
    made = Counter(row["body"]["text"]["content"] for row in world.sandbox.ledger(CREATE))
    assert made == Counter(f"第{number}条" for number in range(5))
    assert set(OutboxItem.unsafe_all.values_list("state", flat=True)) == {State.DONE}


def test_twin_without_the_sweep_what_was_rung_for_stays_undone(world, nursery):
    broker = wipe_in_mid_send(world, nursery)
    assert broker.llen("doorbell") == 0, "every ring is forgotten"
    assert world.created_at_wecom() == 3
    assert OutboxItem.unsafe_all.filter(state=State.WAITING, due_at__lte=world.clock()).count() == 2


# The archive


def pull_under_fire(nursery, sandbox, *, messages: int, kills: int, limit: int) -> int:
    """Kill the puller again and again, then let one reach the end; how many kills there were."""
    sandbox.step("archive_fill", messages=messages)
    newest = sandbox.read("archive/plain")[-1]["seq"]
    dice, killed = random.Random(messages), 0
    while killed < kills and _place() < newest:
        point = dice.choice(["archive.before_rows", "archive.between", "archive.after_commit"])
        nursery.killed("pull", f"{point}:{dice.randint(1, 3)}", limit=limit)
        eventually(_nobody_pulls)  # The server notices the death in a moment.
        killed += 1
    nursery.run("pull", limit=1000)
    return killed


def _place() -> int:
    progress = ArchiveProgress.objects.first()
    return progress.seq if progress else 0


def _nobody_pulls() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_locks where objid = 7302011")
        return cursor.fetchone()[0] == 0


@pytest.fixture
def puller(nursery, archive, settings):
    names = ("WECOM_ARCHIVE", "WECOM_ARCHIVE_KEYS", "MEDIA_ROOT")
    nursery.values = {name: str(getattr(settings, name)) for name in names}
    return nursery


@pytest.mark.parametrize(
    ("messages", "kills", "limit"),
    [(1_500, 10, 40), pytest.param(20_000, 50, 100, marks=pytest.mark.chaos)],
)
def test_an_archive_pulled_under_fire_has_no_gap_and_no_double(
    puller, archive, record_property, messages, kills, limit
):
    assert pull_under_fire(puller, archive, messages=messages, kills=kills, limit=limit) == kills
    said = plain(archive)
    assert len(said) == messages
    assert stored() == said
    assert ArchivedMessage.unsafe_all.count() == messages
    record_property("killed", [f"archive, {messages} messages", kills, 0])


def test_twin_without_one_transaction_a_kill_leaves_a_gap(puller, archive):
    archive.step("archive_fill", messages=200)
    puller.killed("pull", "archive.between:2", limit=40, guard_off="archive.together")
    eventually(_nobody_pulls)
    puller.run("pull", limit=1000)
    assert len(stored()) < len(plain(archive))
