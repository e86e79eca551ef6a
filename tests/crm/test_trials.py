"""The draw of a control: even in every stratum, the same again, once, whoever asks at a time."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.audiences.actions import freeze_audience
from crm.trials import layers
from crm.trials.drawing import draw, new_salt, undraw
from crm.trials.models import CONTROL, Assignment, Trial
from tests import factories
from tests.waiting import eventually, somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def audience_of(*sizes: int):
    """An audience with so many friends of each of some agents."""
    agents = [factories.make_agent() for _n in sizes]
    friends = [
        factories.make_friend(agent)
        for agent, n in zip(agents, sizes, strict=True)
        for _n in range(n)
    ]
    by = factories.make_user(Role.OPERATOR)
    audience = freeze_audience(
        name="试验", customer_ids=[one.pk for one in friends], by=by, now=NOW
    )
    return audience, agents, by


def trial_of(audience, *, percent: int = 20, salt: str = "salt") -> Trial:
    return Trial.unsafe_all.create(audience=audience, control_percent=percent, salt=salt)


def drawn(trial: Trial, agents, by) -> dict[int, int]:
    """Arms by customer."""
    ids = [agent.pk for agent in agents]
    until = NOW + timedelta(days=7)
    draw(trial=trial, agent_ids=ids, holds_until=until, by=by, now=NOW)
    return dict(Assignment.unsafe_all.filter(trial=trial).values_list("customer_id", "arm"))


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=4).filter(any),
    percent=st.integers(1, 50),
    salt=st.text("abcdef0123456789", min_size=4, max_size=12),
)
def test_every_stratum_gives_its_share_and_the_same_salt_the_same_people(sizes, percent, salt):
    with transaction.atomic():
        audience, agents, by = audience_of(*sizes)
        trial = trial_of(audience, percent=percent, salt=salt)
        first = drawn(trial, agents, by)
        assert len(first) == sum(sizes)
        held = Counter(
            Assignment.unsafe_all.filter(trial=trial, arm=CONTROL).values_list(
                "agent_id", flat=True
            )
        )
        for agent, size in zip(agents, sizes, strict=True):
            assert abs(held[agent.pk] - size * percent / 100) < 1
        undraw(trial=trial)
        trial.refresh_from_db()
        assert drawn(trial, agents, by) == first
        transaction.set_rollback(True)


def test_value_layers_are_strata_too_and_are_kept(monkeypatch):
    audience, agents, by = audience_of(40)
    told = (
        "select id as customer_id, case when id %% 2 = 0 then 'high' else 'low' end as layer"
        " from crm_customer",
        {},
    )
    monkeypatch.setattr(layers, "_LAYERS", [lambda now: told])
    trial = trial_of(audience, percent=50)
    drawn(trial, agents, by)
    rows = Assignment.unsafe_all.filter(trial=trial).values_list("layer", "arm")
    counts = Counter(rows)
    assert {counts["high", 0], counts["high", 1], counts["low", 0], counts["low", 1]} == {10}


def test_another_salt_draws_other_people():
    audience, agents, by = audience_of(60)
    one = drawn(trial_of(audience, percent=50, salt=new_salt()), agents, by)
    Trial.unsafe_all.update(holds_until=NOW - timedelta(days=1))
    two = drawn(trial_of(audience, percent=50, salt=new_salt()), agents, by)
    assert one != two


def test_whom_another_trial_keeps_out_is_not_drawn_and_others_friends_are_not_either():
    audience, agents, by = audience_of(20, 5)
    first = drawn(trial_of(audience, percent=50), agents[:1], by)
    assert len(first) == 20
    second = drawn(trial_of(audience, percent=50, salt="b"), agents, by)
    assert set(second) == set(
        audience.members.exclude(
            customer_id__in=[pk for pk, arm in first.items() if arm == CONTROL]
        ).values_list("customer_id", flat=True)
    )


def test_a_drawn_trial_stays_as_it_is():
    audience, agents, by = audience_of(10)
    trial = trial_of(audience)
    first = drawn(trial, agents, by)
    factories.make_friend(agents[0])
    assert drawn(trial, agents, by) == first


def _two_at_once() -> list[object]:
    """What two draws answer when the second begins before the first has committed, in order."""
    audience, agents, by = audience_of(8)
    trial, answers = trial_of(audience), {}
    written, may_commit = threading.Event(), threading.Event()

    def once(*, is_first: bool) -> None:
        try:
            with transaction.atomic():
                n = draw(trial=trial, agent_ids=[agents[0].pk], holds_until=NOW, by=by, now=NOW)
                if is_first:
                    written.set()
                    may_commit.wait(20)
            answers[is_first] = n
        except Exception as error:
            answers[is_first] = type(error).__name__
        finally:
            connection.close()

    threads = [threading.Thread(target=once, kwargs={"is_first": first}) for first in (True, False)]
    threads[0].start()
    assert written.wait(20)
    threads[1].start()
    eventually(somebody_waits_for_a_lock)
    may_commit.set()
    for thread in threads:
        thread.join()
    return [answers[True], answers[False]]


@pytest.mark.django_db(transaction=True)
def test_two_draws_at_once_are_one():
    assert _two_at_once() == [8, 0]
    assert Assignment.unsafe_all.count() == 8


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_lock_the_second_draw_runs_into_the_first(monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "trials.draw")
    assert _two_at_once() == [8, "IntegrityError"]
