"""A dead worker's row is soon taken over; a slow one keeps its row for as long as it lives."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from crm.callbacks.actions import claim_event
from crm.callbacks.leases import held
from crm.callbacks.models import InboxEvent
from crm.shared.leases import LEASE
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    """Moved by hand; says how often it was asked."""

    def __init__(self) -> None:
        self.now, self.asked = timezone.now(), 0

    def __call__(self):
        self.asked += 1
        return self.now


@pytest.fixture
def event():
    now = timezone.now()
    InboxEvent.objects.create(
        digest=b"1" * 32, message="<xml/>", happened_at=now, received_at=now, next_try_at=now
    )
    return claim_event(now=timezone.now())


def test_a_slow_worker_keeps_its_row_beyond_the_first_lease(event):
    clock = Clock()
    with held(event, clock, every=0.02):
        for _n in range(4):
            clock.now += LEASE * 0.7
            asked = clock.asked
            eventually(lambda asked=asked: clock.asked > asked + 1)
        assert clock.now > event.next_try_at + LEASE
        assert claim_event(now=clock.now) is None
    taken = claim_event(now=clock.now + LEASE)
    assert (taken.pk, taken.fence) == (event.pk, event.fence + 1)


def test_the_twin_without_renewal_loses_it(event):
    assert claim_event(now=event.next_try_at + timedelta(seconds=1)).fence == event.fence + 1


def test_a_dead_worker_is_followed_within_the_promise(event):
    assert timedelta(seconds=45) >= LEASE
    assert claim_event(now=timezone.now() + timedelta(seconds=45)) is not None


def test_a_lease_that_others_have_taken_is_not_taken_back(event):
    other = claim_event(now=event.next_try_at + timedelta(seconds=1))
    clock = Clock()
    clock.now += timedelta(hours=1)
    with held(event, clock, every=0.02):
        eventually(lambda: clock.asked)
        eventually(lambda: not any(t.name == f"inbox-{event.pk}" for t in threading.enumerate()))
    assert InboxEvent.objects.get().next_try_at == other.next_try_at


def test_a_connection_that_was_cut_is_opened_again_for_the_next_renewal(event):
    clock = Clock()
    with held(event, clock, every=0.02):
        eventually(lambda: clock.asked)
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
                " and query like '%crm_inboxevent%'"
            )
            assert cursor.fetchone()[0] == 1
        clock.now += LEASE * 3
        eventually(lambda: InboxEvent.objects.get().next_try_at > clock.now)
