"""A round over a row: a dead follower is soon followed, a slow one keeps its turn."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.moments.models import Moment
from crm.shared.leases import LEASE, Turn

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def row():
    moment = Moment.unsafe_all.create(title="早安", publish_at=NOW, follow_at=NOW)
    return Moment.unsafe_all.filter(pk=moment.pk)


class Watch:
    """Seconds, moved by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def taken(row, after: timedelta) -> bool:
    return Turn(row, now=NOW + after).take()


def test_a_turn_is_one_worker_s(row):
    assert taken(row, timedelta())
    assert not taken(row, LEASE / 2)


def test_a_dead_follower_is_followed_within_the_promise(row):
    assert taken(row, timedelta())
    assert taken(row, timedelta(seconds=45))


def test_a_slow_follower_keeps_its_turn_for_as_long_as_it_renews_it(row):
    watch = Watch()
    turn = Turn(row, now=NOW, elapsed=watch)
    assert turn.take()
    for _n in range(5):
        watch.seconds += 0.7 * LEASE.total_seconds()
        assert turn.renew()
    assert not taken(row, LEASE * 3)
    assert taken(row, LEASE * 5)
    assert not turn.renew()  # What another has is not taken back.


def test_what_is_wanted_at_once_is_not_put_off_by_a_renewal(row):
    turn = Turn(row, now=NOW)
    assert turn.take()
    row.update(follow_at=NOW)
    assert not turn.renew()
    assert taken(row, timedelta())
