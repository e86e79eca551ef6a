"""The dispatcher: once, only on a certain answer, within the rules, and never in silence."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import IntegrityError, connection, connections, transaction

from crm.agents.models import AuditEntry
from crm.outbox import registry
from crm.outbox.actions import (
    AlreadyOnItsWay,
    NewItem,
    NotParked,
    abandon_item,
    adopt_item,
    enqueue,
    move,
    withdraw,
)
from crm.outbox.dispatcher import LEASE, claim, dispatch, work
from crm.outbox.models import OutboxItem, PlatformQuota, QuietHours, QuotaSlot, TouchDecision
from crm.outbox.registry import Absent, Demand, Done, Found, Handler, NotYet, Refusal
from crm.outbox.slots import forget_free, reserve
from crm.wecom import NotReachable, OutcomeUnknown, Refused, RetryLater
from tests.factories import make_channel, make_user
from tests.waiting import eventually, somebody_waits_for_a_lock

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
State = OutboxItem.State
KIND = "test.call"


class Outside:
    """What the tests' own kind of action talks to: answers in turn, and a list of what arrived."""

    def __init__(self) -> None:
        self.answers: list = []
        self.findings: list = []
        self.calls: list[str] = []
        self.looks = 0
        self.refusal: Refusal | None = None
        self.demands: list[Demand] = []

    def call(self, item):
        self.calls.append(item.key)
        answer = self.answers.pop(0) if self.answers else Done(f"remote-{item.key}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def reconcile(self, item, now):
        self.looks += 1
        finding = self.findings.pop(0) if len(self.findings) > 1 else self.findings[0]
        if isinstance(finding, Exception):
            raise finding
        return finding


class Clock:
    """A clock that tests move."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **length: float) -> None:
        self.now += timedelta(**length)


@pytest.fixture
def outside():
    world = Outside()
    registry.register(
        Handler(
            kind=KIND,
            label=KIND,
            call=world.call,
            reconcile=world.reconcile,
            check=lambda item, now: world.refusal,
            demands=lambda item: world.demands,
        )
    )
    yield world
    registry._handlers.pop(KIND)


@pytest.fixture
def clock():
    return Clock()


def queued(key: str = "one", **overrides) -> OutboxItem:
    values = {"kind": KIND, "key": key, "subject": make_channel(), "due_at": NOW} | overrides
    return enqueue(NewItem(**values), by=None)


def after(clock, **length) -> OutboxItem:
    """The only item, after some time and a round of the dispatcher."""
    clock.pass_(**length)
    dispatch(clock=clock)
    return OutboxItem.unsafe_all.get()


def uncertain(outside, clock) -> OutboxItem:
    outside.answers = [OutcomeUnknown("no answer")]
    item = queued()
    dispatch(clock=clock)
    item.refresh_from_db()
    assert item.state == State.UNCERTAIN
    return item


# Once


@pytest.mark.django_db
def test_a_due_item_is_called_once_and_keeps_its_number(outside, clock):
    item = queued()
    dispatch(clock=clock)
    dispatch(clock=clock)
    item.refresh_from_db()
    assert outside.calls == ["one"]
    assert (item.state, item.remote_id, item.attempts) == (State.DONE, "remote-one", 1)


@pytest.mark.django_db
def test_an_item_waits_for_its_time(outside, clock):
    queued(due_at=NOW + timedelta(minutes=1))
    dispatch(clock=clock)
    assert outside.calls == []
    assert after(clock, minutes=1).state == State.DONE


@pytest.mark.django_db
def test_a_send_does_not_wait_behind_ten_thousand_tags(outside, clock):
    """Also when the patient ones were due long before; they follow once nothing else is due."""
    for n in range(5):
        queued(f"tag{n}", is_patient=True, due_at=NOW - timedelta(hours=1))
    queued("send", due_at=NOW)
    queued("later", due_at=NOW + timedelta(minutes=1))
    dispatch(clock=clock, limit=2)
    assert outside.calls == ["send", "tag0"]
    clock.pass_(minutes=1)
    dispatch(clock=clock)
    assert outside.calls == ["send", "tag0", "later", "tag1", "tag2", "tag3", "tag4"]


@pytest.mark.django_db
def test_the_same_key_is_queued_once(outside, clock):
    assert queued("same").pk == queued("same").pk
    dispatch(clock=clock)
    assert outside.calls == ["same"]


@pytest.mark.django_db(transaction=True)
def test_dispatchers_at_once_call_each_item_once(outside, clock):
    for n in range(40):
        queued(f"item-{n}")

    def run(_n: int) -> int:
        try:
            return dispatch(clock=clock)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(run, range(6))) == 40
    assert sorted(outside.calls) == sorted(f"item-{n}" for n in range(40))
    assert set(OutboxItem.unsafe_all.values_list("state", flat=True)) == {State.DONE}


@pytest.mark.django_db
def test_calling_is_on_record_before_the_request_leaves(outside, clock):
    seen = []
    real = outside.call

    def call(item):
        row = OutboxItem.unsafe_all.get(pk=item.pk)
        seen.append((row.state, row.attempts, row.call_deadline > NOW, row.called_at))
        return real(item)

    registry.register(
        Handler(KIND, KIND, call=call, reconcile=outside.reconcile, check=lambda i, n: None)
    )
    queued()
    dispatch(clock=clock)
    assert seen == [(State.CALLING, 1, True, NOW)]


@pytest.mark.django_db
def test_a_precondition_that_fell_away_skips_the_item_with_its_reason(outside, clock):
    outside.refusal = Refusal("gone", "no longer wanted")
    queued()
    item = after(clock)
    assert (item.state, item.reason_code, outside.calls) == (State.SKIPPED, "gone", [])


# Certain answers


@pytest.mark.django_db
def test_an_unreachable_wecom_is_tried_again_later(outside, clock):
    outside.answers = [NotReachable("down")]
    queued()
    item = after(clock)
    assert (item.state, item.reason) == (State.WAITING, "down")
    assert item.due_at > clock.now
    assert after(clock, minutes=1).state == State.DONE
    assert outside.calls == ["one", "one"]


@pytest.mark.django_db
def test_a_frequency_limit_is_waited_out(outside, clock):
    outside.answers = [RetryLater("too often", code=45009, retry_after=60)]
    queued()
    item = after(clock)
    assert item.state == State.WAITING
    assert item.due_at >= NOW + timedelta(seconds=60)


@pytest.mark.django_db
def test_a_refusal_ends_the_item_with_code_and_words(outside, clock):
    outside.answers = [Refused("text too long", code=45002)]
    queued()
    item = after(clock)
    assert (item.state, item.reason_code, item.reason) == (State.FAILED, "45002", "text too long")
    assert item.finished_at == NOW


@pytest.mark.django_db
def test_an_item_past_its_last_moment_is_not_sent(outside, clock):
    queued(give_up_at=NOW + timedelta(hours=1))
    item = after(clock, hours=2)
    assert (item.state, item.reason_code, outside.calls) == (State.FAILED, "too_late", [])


# Uncertain answers


@pytest.mark.django_db
def test_an_unclear_answer_is_never_repeated_blindly(outside, clock):
    uncertain(outside, clock)
    outside.findings = [Absent()]
    for _minute in range(4):
        after(clock, minutes=1)
    assert outside.calls == ["one"]


@pytest.mark.django_db
def test_a_record_found_at_wecom_is_adopted(outside, clock):
    uncertain(outside, clock)
    outside.findings = [Found("mom-7", {"moment_id": "mom-7"}, {"listed": 1})]
    item = after(clock, seconds=10)
    assert (item.state, item.remote_id, item.evidence["listed"]) == (State.DONE, "mom-7", 1)
    assert outside.calls == ["one"]


@pytest.mark.django_db
def test_absence_beside_a_later_record_of_ours_allows_one_more_call(outside, clock):
    uncertain(outside, clock)
    outside.findings = [Absent(later_seen=True)]
    after(clock, seconds=10)
    after(clock, seconds=150)
    assert outside.calls == ["one"]
    item = after(clock, seconds=150)
    assert outside.looks == 3
    assert (item.state, outside.calls) == (State.DONE, ["one", "one"])


@pytest.mark.django_db
def test_absence_alone_waits_for_a_person(outside, clock):
    uncertain(outside, clock)
    outside.findings = [Absent(evidence={"listed": 0})]
    for _look in range(6):
        item = after(clock, seconds=150)
    assert (item.state, outside.looks, outside.calls) == (State.PARKED, 3, ["one"])
    assert item.evidence["looks"] == 3


@pytest.mark.django_db
def test_records_that_say_nothing_for_an_hour_go_to_a_person(outside, clock):
    uncertain(outside, clock)
    outside.findings = [NotYet({"candidates": 2})]
    for _look in range(30):
        item = after(clock, seconds=150)
    assert (item.state, outside.calls) == (State.PARKED, ["one"])


@pytest.mark.django_db
def test_an_unreachable_wecom_proves_nothing_about_the_past(outside, clock):
    uncertain(outside, clock)
    outside.findings = [NotReachable("down")]
    for _look in range(10):
        item = after(clock, minutes=5)
    assert (item.state, item.checks) == (State.UNCERTAIN, 0)


@pytest.mark.django_db
def test_an_error_of_ours_during_the_call_counts_as_uncertain(outside, clock):
    outside.answers = [ValueError("a bug")]
    outside.findings = [NotYet()]
    queued()
    item = after(clock)
    assert (item.state, item.errors, outside.calls) == (State.UNCERTAIN, 1, ["one"])


# Leases


@pytest.mark.django_db
def test_a_lease_left_before_the_call_is_taken_over(outside, clock):
    queued()
    claim(now=clock())
    dispatch(clock=clock)
    assert outside.calls == []
    assert after(clock, seconds=31).state == State.DONE
    assert outside.calls == ["one"]


@pytest.mark.django_db
def test_a_lease_left_during_the_call_makes_the_item_uncertain(outside, clock):
    item = queued()
    OutboxItem.unsafe_all.filter(pk=item.pk).update(
        state=State.CALLING, fence=1, called_at=NOW, lease_until=NOW + LEASE
    )
    outside.findings = [NotYet()]
    assert after(clock, seconds=31).state == State.UNCERTAIN
    assert outside.calls == []


@pytest.mark.django_db
def test_an_answer_that_comes_after_the_lease_is_not_written_over_the_new_holder(outside, clock):
    queued()
    late = claim(now=clock())
    clock.pass_(seconds=31)
    holder = claim(now=clock())
    assert holder.fence == late.fence + 1
    work(late, clock)
    assert outside.calls == []
    work(holder, clock)
    assert outside.calls == ["one"]


@pytest.mark.django_db
def test_a_kind_without_handler_is_parked_and_blocks_nobody(outside, clock):
    strange = queued("strange", kind="test.unknown")
    queued("fine")
    dispatch(clock=clock)
    strange.refresh_from_db()
    assert strange.state == State.PARKED
    assert outside.calls == ["fine"]


@pytest.mark.django_db
def test_an_error_before_the_call_is_tried_five_times_and_then_parked(outside, clock):
    def broken(item, now):
        raise KeyError("payload")

    registry.register(
        Handler(KIND, KIND, call=outside.call, reconcile=outside.reconcile, check=broken)
    )
    queued()
    for _try in range(7):
        item = after(clock, minutes=2)
    assert (item.state, item.errors, outside.calls) == (State.PARKED, 5, [])


@pytest.mark.django_db
def test_the_states_always_add_up(outside, clock):
    outside.answers = [Done("1"), Refused("no", code=1), NotReachable("x"), OutcomeUnknown("?")]
    for n in range(6):
        queued(f"item-{n}")
    dispatch(clock=clock)
    states = list(OutboxItem.unsafe_all.values_list("state", flat=True))
    assert sorted(states) == ["done", "done", "done", "failed", "uncertain", "waiting"]


@pytest.mark.django_db
def test_the_database_refuses_a_held_item_without_a_lease():
    item = queued()
    with pytest.raises(IntegrityError), transaction.atomic():
        OutboxItem.unsafe_all.filter(pk=item.pk).update(state=State.CALLING)


# Taking back and moving


@pytest.mark.django_db
def test_a_waiting_item_can_be_moved_and_withdrawn_and_a_begun_one_cannot(outside, clock):
    queued()
    move("one", due_at=NOW + timedelta(hours=1))
    assert claim(now=clock()) is None
    clock.pass_(hours=1)
    claim(now=clock())
    for step in (
        lambda: move("one", due_at=NOW),
        lambda: withdraw("one", now=NOW, reason="changed"),
    ):
        with pytest.raises(AlreadyOnItsWay), transaction.atomic():
            step()
    queued("two")
    with transaction.atomic():
        assert withdraw("two", now=NOW, reason="changed")
    assert OutboxItem.unsafe_all.get(key="two").reason_code == "withdrawn"


# A person decides


@pytest.fixture
def parked(outside, clock):
    uncertain(outside, clock)
    OutboxItem.unsafe_all.update(state=State.PARKED)
    return OutboxItem.unsafe_all.get()


@pytest.mark.django_db
def test_adopting_a_parked_item_ends_it_and_is_audited(parked):
    operator = make_user()
    item = adopt_item(item_id=parked.pk, remote_id=" mom-1 ", by=operator, now=NOW, reason="seen")
    assert (item.state, item.remote_id) == (State.DONE, "mom-1")
    entry = AuditEntry.objects.get(action="outbox.adopt")
    assert (entry.actor, entry.reason) == (operator, "seen")


@pytest.mark.django_db
def test_abandoning_a_parked_item_ends_it_and_only_once(parked):
    operator = make_user()
    assert abandon_item(item_id=parked.pk, by=operator, now=NOW).state == State.FAILED
    with pytest.raises(NotParked):
        abandon_item(item_id=parked.pk, by=operator, now=NOW)
    assert AuditEntry.objects.filter(action="outbox.abandon").count() == 1


# Rules


def a_quota(limit: int, window: str = PlatformQuota.Window.ROLLING, **overrides) -> PlatformQuota:
    return PlatformQuota.objects.create(
        **{
            "code": "test.quota",
            "limit": limit,
            "window": window,
            "seconds": 60,
            "valid_from": NOW - timedelta(days=1),
        }
        | overrides
    )


@pytest.mark.django_db
def test_every_call_leaves_a_decision_even_without_a_rule(outside, clock):
    queued()
    dispatch(clock=clock)
    decision = TouchDecision.objects.get()
    assert (decision.is_allowed, decision.rule) == (True, "none")


@pytest.mark.django_db
def test_a_full_quota_postpones_to_the_next_free_unit_and_says_by_which_rule(outside, clock):
    a_quota(2)
    outside.demands = [Demand("test.quota", ("corp",))]
    for n in range(3):
        queued(f"item-{n}")
    dispatch(clock=clock)
    assert len(outside.calls) == 2
    refused = TouchDecision.objects.get(is_allowed=False)
    assert (refused.rule, refused.rule_version) == ("test.quota", 1)
    assert refused.retry_at == NOW + timedelta(seconds=60)
    clock.pass_(seconds=59)
    dispatch(clock=clock)
    assert len(outside.calls) == 2
    clock.pass_(seconds=1)
    dispatch(clock=clock)
    assert len(outside.calls) == 3


@pytest.mark.django_db
def test_a_new_row_of_a_rule_holds_from_its_date_with_a_new_version(outside, clock):
    a_quota(1)
    a_quota(5, valid_from=NOW + timedelta(days=1))
    outside.demands = [Demand("test.quota", ("corp",))]
    for n in range(3):
        queued(f"item-{n}")
    dispatch(clock=clock)
    assert len(outside.calls) == 1
    clock.pass_(days=1)
    dispatch(clock=clock)
    assert len(outside.calls) == 3
    assert TouchDecision.objects.first().rule_version == 2


@pytest.mark.django_db
def test_a_day_quota_counts_days_of_the_corporation(outside, clock):
    a_quota(1, PlatformQuota.Window.DAY)
    outside.demands = [Demand("test.quota", ("c1",))]
    queued("first")
    queued("second")
    dispatch(clock=clock)
    assert outside.calls == ["first"]
    clock.now = datetime(2026, 11, 20, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
    dispatch(clock=clock)
    assert outside.calls == ["first"]
    clock.pass_(minutes=1)
    dispatch(clock=clock)
    assert outside.calls == ["first", "second"]


@pytest.mark.django_db
def test_an_audience_with_some_room_goes_ahead_and_one_with_none_is_skipped(outside, clock):
    a_quota(1, PlatformQuota.Window.DAY)
    outside.demands = [Demand("test.quota", ("c1", "c2"), every=False)]
    queued("first")
    dispatch(clock=clock)
    outside.demands = [Demand("test.quota", ("c2", "c3"), every=False)]
    queued("second")
    dispatch(clock=clock)
    outside.demands = [Demand("test.quota", ("c1", "c3"), every=False)]
    third = queued("third")
    dispatch(clock=clock)
    third.refresh_from_db()
    assert outside.calls == ["first", "second"]
    assert (third.state, third.reason_code) == (State.SKIPPED, "rule")


@pytest.mark.django_db
def test_slots_taken_on_the_way_to_a_no_are_given_back(outside, clock):
    a_quota(5)
    a_quota(0, code="test.closed")
    outside.demands = [Demand("test.quota", ("corp",)), Demand("test.closed", ("corp",))]
    queued()
    dispatch(clock=clock)
    assert outside.calls == []
    assert not QuotaSlot.objects.exists()


@pytest.mark.django_db
def test_quiet_hours_postpone_to_their_end_over_midnight(outside, clock):
    QuietHours.objects.create(
        code="night",
        starts=time(22),
        ends=time(8),
        zone="Asia/Shanghai",
        valid_from=NOW - timedelta(days=1),
    )
    clock.now = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)  # 23:30 in Shanghai
    queued()
    item = after(clock)
    assert (item.state, outside.calls) == (State.WAITING, [])
    assert item.due_at == datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
    clock.now = item.due_at
    assert after(clock).state == State.DONE


# A cap under concurrency, and the same without its guard


@pytest.mark.django_db(transaction=True)
def test_many_at_once_cannot_take_more_than_the_cap():
    quota = a_quota(5, PlatformQuota.Window.DAY)
    items = [queued(f"item-{n}") for n in range(16)]

    def take(item: OutboxItem) -> int:
        try:
            with transaction.atomic():
                return len(reserve(quota, ["corp"], item=item, now=NOW))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, items)) == 5
    assert QuotaSlot.objects.count() == 5


def take_beside_an_open_transaction(quota: PlatformQuota) -> int:
    """Two reservations of one unit whose transactions overlap for certain."""
    first, second = queued("first"), queued("second")

    def take_second() -> int:
        try:
            with transaction.atomic():
                return len(reserve(quota, ["corp"], item=second, now=NOW))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            taken = len(reserve(quota, ["corp"], item=first, now=NOW))
            future = pool.submit(take_second)
            eventually(lambda: future.done() or somebody_waits_for_a_lock())
        return taken + future.result(timeout=10)


@pytest.mark.django_db(transaction=True)
def test_the_last_unit_goes_to_one_of_two_overlapping_transactions():
    assert take_beside_an_open_transaction(a_quota(1, PlatformQuota.Window.DAY)) == 1


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_unique_slot_the_last_unit_goes_out_twice():
    drop = "alter table crm_quotaslot drop constraint slot_taken_once"
    restore = (
        "alter table crm_quotaslot add constraint slot_taken_once unique (code, subject, bucket, n)"
    )
    with connection.cursor() as cursor:
        cursor.execute(drop)
    try:
        assert take_beside_an_open_transaction(a_quota(1, PlatformQuota.Window.DAY)) == 2
    finally:
        QuotaSlot.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(restore)


@pytest.mark.django_db
def test_slots_that_are_long_free_are_forgotten(outside, clock):
    quota = a_quota(2)
    reserve(quota, ["corp"], item=queued(), now=NOW)
    assert forget_free(now=NOW + timedelta(hours=1)) == 0
    assert forget_free(now=NOW + timedelta(days=2)) == 1
