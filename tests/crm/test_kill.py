"""Processes killed at the unkindest moments: the sandbox's ledger still shows one task.

A dispatcher process is killed with SIGKILL at a named point; a second dispatcher takes over, its
clock moved on so that leases run out without waiting. ``test_kill_matrix`` does it to every point.
"""

import subprocess
import sys

import pytest
from django.utils import timezone

from crm.moments.models import Moment
from crm.outbox.dispatcher import dispatch
from crm.outbox.models import OutboxItem
from crm.outbox.tasks import dispatch_due
from tests.moment_world import MomentWorld
from tests.sandbox_fixture import ROOT
from tests.waiting import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]
State = OutboxItem.State


@pytest.fixture
def world(nursery, sandbox, settings):
    settings.MEDIA_ROOT = nursery.values["MEDIA_ROOT"]
    return MomentWorld(sandbox, settings)


@pytest.fixture
def killed_dispatcher(world, nursery):
    """Run a dispatcher that is killed at the named point, and see that it was."""

    def run(point: str, **more: str) -> None:
        nursery.killed("dispatch", point, ahead=world.offset.total_seconds(), **more)

    return run


def due(world) -> Moment:
    """An approved moment whose hour has come."""
    moment = world.approved()
    world.pass_(minutes=61)
    return moment


def recovered(world, moment: Moment) -> OutboxItem:
    """What a second dispatcher makes of it within the next ten minutes."""
    for _look in range(5):
        world.pass_(seconds=120)
        dispatch(clock=world.clock)
        world.follow()
    moment.refresh_from_db()
    return OutboxItem.unsafe_all.get(kind="moment.create")


def test_killed_between_call_and_commit_the_post_exists_once(world, killed_dispatcher):
    moment = due(world)
    killed_dispatcher("outbox.after_call")
    left = world.item()
    assert (left.state, world.created_at_wecom()) == (State.CALLING, 1)
    item = recovered(world, moment)
    assert (item.state, item.reason_code) == (State.DONE, "reconciled")
    assert world.created_at_wecom() == 1
    assert moment.wecom_moment_id == item.remote_id
    assert moment.state in Moment.FOLLOWED


def test_twin_without_the_calling_mark_the_post_exists_twice(world, killed_dispatcher):
    moment = due(world)
    killed_dispatcher("outbox.after_call", guard_off="outbox.calling")
    assert world.item().state == State.LEASED
    recovered(world, moment)
    assert world.created_at_wecom() == 2


def test_killed_before_the_call_nothing_exists_and_a_person_is_asked(world, killed_dispatcher):
    moment = due(world)
    killed_dispatcher("outbox.before_call")
    assert world.created_at_wecom() == 0
    item = recovered(world, moment)
    assert (item.state, moment.state) == (State.PARKED, Moment.State.UNCERTAIN)
    assert world.created_at_wecom() == 0


def test_killed_after_the_commit_nothing_is_left_to_do(world, killed_dispatcher):
    moment = due(world)
    killed_dispatcher("outbox.after_commit")
    item = recovered(world, moment)
    assert (item.state, item.attempts, world.created_at_wecom()) == (State.DONE, 1, 1)
    assert moment.wecom_moment_id


def test_three_dispatchers_after_a_kill_still_make_one_post(world, killed_dispatcher, nursery):
    """Whoever comes first reconciles; the others find the row leased or done."""
    moment = due(world)
    killed_dispatcher("outbox.after_call")
    later = world.offset.total_seconds() + 40
    running = [nursery.start("dispatch", ahead=later) for _n in range(3)]
    assert [nursery.wait(process) for process in running] == [0, 0, 0]
    assert world.created_at_wecom() == 1
    item = recovered(world, moment)
    assert (item.state, item.reason_code) == (State.DONE, "reconciled")
    assert world.created_at_wecom() == 1
    assert moment.state in Moment.FOLLOWED


def test_a_celery_worker_killed_between_call_and_commit_leaves_one_post(world, process_environment):
    """Its task is handed out again and finds the call open; a look at WeCom's records ends it."""
    moment, sandbox = world.approved(), world.sandbox
    OutboxItem.unsafe_all.update(due_at=timezone.now())  # A worker has no other clock.
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "config",
        "worker",
        "-Q",
        "doorbell",
        "-c",
        "1",
    ]
    worker = subprocess.Popen(
        command,
        env={
            **process_environment,
            "WECOM_BASE_URL": sandbox.url,
            "WECOM_CORP_ID": sandbox.corp_id,
            "WECOM_SECRET": sandbox.secret,
            "WECOM_AGENT_ID": str(sandbox.agent_id),
            "CHANGKE_KILL_AT": "outbox.after_call",
        },
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    dispatch_due.delay()
    eventually(lambda: world.created_at_wecom() == 1, timeout=60)
    worker.kill()
    worker.wait()
    assert world.item().state == State.CALLING
    item = recovered(world, moment)
    assert (item.state, item.reason_code) == (State.DONE, "reconciled")
    assert world.created_at_wecom() == 1
