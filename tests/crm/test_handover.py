"""Handovers against the sandbox: what customers say, what the rules allow, and that it adds up."""

import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm import wecom
from crm.agents.models import Agent, AuditEntry
from crm.customers.models import Contact
from crm.handover import following
from crm.handover.actions import (
    HandoverRefused,
    insert,
    retry_transfers,
    start_handover,
    stop_handover,
)
from crm.handover.models import GroupTransfer, Handover, State, Transfer
from crm.handover.planning import make_plan, share_out
from crm.handover.queries import progress
from crm.outbox.dispatcher import dispatch
from crm.outbox.models import OutboxItem
from crm.timeline.models import Fact
from tests.factories import make_friend, make_group
from tests.moment_world import MomentWorld
from tests.sandbox_fixture import ROOT

METHOD = "externalcontact/transfer_customer"
RESIGNED = "externalcontact/resigned/transfer_customer"
Item = OutboxItem.State


class HandoverWorld(MomentWorld):
    """The sandbox's people, a giver and two who take over."""

    def __init__(self, sandbox, settings) -> None:
        super().__init__(sandbox, settings)
        sandbox.control("settings", refusals=0)
        self.giver, self.taker, self.spare = self.agents[:3]
        # A giver with few customers, none of whom the others know.
        keep = []
        for contact in Contact.unsafe_all.filter(agent=self.giver).select_related("customer"):
            if contact.customer.contacts.count() == 1 and len(keep) < 5:
                keep.append(contact)
        Contact.unsafe_all.filter(agent=self.giver).exclude(
            pk__in=[contact.pk for contact in keep]
        ).delete()
        self.customers = [contact.customer for contact in keep]
        assert len(self.customers) == 5

    def leaves(self) -> None:
        """The giver leaves the company, there and here."""
        self.sandbox.step("member_leave", userid=self.giver.userid)
        Agent.unsafe_all.filter(pk=self.giver.pk).update(
            status=Agent.Status.LEFT, left_at=self.clock()
        )
        self.giver.refresh_from_db()

    def plan(self, **more):
        values = {"giver": self.giver, "takers": [self.taker], "now": self.clock()}
        return make_plan(**values | more)

    def begin(self, **more) -> Handover:
        plan = self.plan(**{k: v for k, v in more.items() if k != "message"})
        values = {"giver": self.giver, "takers": [self.taker], "expected": plan.moving}
        return start_handover(**values | more, by=self.author, now=self.clock())

    def call(self) -> None:
        """The minute of grace is over, WeCom is asked."""
        self.pass_(seconds=61)
        dispatch(clock=self.clock)

    def look(self) -> None:
        for pk in following.due_handovers(self.clock()):
            following.follow(pk, now=self.clock())

    def a_day(self) -> None:
        self.pass_(hours=24, minutes=2)
        self.look()

    def states(self) -> dict[str, int]:
        counted = {
            one.state: one.count for one in progress(Handover.unsafe_all.latest("pk")).states
        }
        return {state: n for state, n in counted.items() if n}

    def of(self, customer) -> Transfer:
        return Transfer.unsafe_all.latest().get(
            customer=customer, handover=Handover.unsafe_all.latest("pk")
        )

    def started(self, method: str = METHOD) -> int:
        """How many transfers the sandbox's ledger holds."""
        return len(self.sandbox.ledger(method))


@pytest.fixture
def world(transactional_db, sandbox, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    return HandoverWorld(sandbox, settings)


# The way


def test_customers_change_hands_after_their_day(world):
    handover = world.begin()
    assert world.states() == {State.PLANNED: 5}
    world.call()
    assert world.states() == {State.WAITING: 5}
    world.look()
    assert world.states() == {State.WAITING: 5}
    world.a_day()
    assert world.states() == {State.DONE: 5}
    gone = Contact.unsafe_all.filter(agent=world.giver)
    assert set(gone.values_list("status", flat=True)) == {Contact.Status.TRANSFERRED}
    assert Fact.unsafe_all.filter(kind__code="friend_transferred").count() == 5
    assert AuditEntry.objects.get(action="handover.start").details == {"customers": 5, "n": 0}
    assert OutboxItem.unsafe_all.get(kind="transfer_customers").subject_id == handover.pk


def test_who_refuses_stays_and_can_be_tried_with_somebody_else(world):
    handover = world.begin()
    world.call()
    unwilling = world.customers[0]
    world.sandbox.step("refuse_transfer", external_userid=unwilling.external_userid)
    world.look()
    assert world.states() == {State.REFUSED: 1, State.WAITING: 4}
    assert world.of(unwilling).reason_code == "customer_refused"
    relation = Contact.unsafe_all.get(customer=unwilling, agent=world.giver)
    assert relation.status == Contact.Status.ACTIVE
    with pytest.raises(HandoverRefused, match="没有可以再试的客户"):
        _retry(world, handover, world.taker)
    assert _retry(world, handover, world.taker, world.spare) == 1
    world.call()
    assert world.states() == {State.WAITING: 5}
    world.a_day()
    assert world.states() == {State.DONE: 5}
    assert world.of(unwilling).taker == world.spare
    assert world.of(unwilling).attempt == 2


def _retry(world, handover, *takers) -> int:
    return retry_transfers(
        handover_id=handover.pk,
        transfer_ids=None,
        takers=list(takers),
        by=world.author,
        now=world.clock(),
    )


def test_a_receiver_may_be_full_at_once_or_when_the_day_is_over(world):
    world.sandbox.control("settings", customer_limit={world.taker.userid: 0})
    handover = world.begin()
    world.call()
    assert world.states() == {State.FULL: 5}
    assert _retry(world, handover, world.spare) == 5
    world.call()
    world.sandbox.control("settings", customer_limit={world.spare.userid: 0})
    world.a_day()
    assert world.states() == {State.FULL: 5}
    assert world.of(world.customers[0]).reason_code == "receiver_full"


def test_after_leaving_customers_and_groups_are_inherited(world):
    chat = _group_of(world)
    world.leaves()
    world.begin(with_groups=True)
    world.call()
    assert world.started(RESIGNED) == 5
    assert wecom.client().group(chat.chat_id).owner == world.taker.userid
    chat.refresh_from_db()
    assert chat.owner == world.taker
    assert GroupTransfer.unsafe_all.get().state == State.DONE
    world.a_day()
    assert world.states() == {State.DONE: 5}


def _group_of(world):
    world.sandbox.step("group_create", owner=world.giver.userid)
    [chat_id, *_more] = wecom.client().groups(owners=[world.giver.userid])
    return make_group(world.giver, chat_id=chat_id)


def test_tags_of_the_old_relation_are_carried_to_the_new_one(world):
    customer = world.customers[0]
    old = Contact.unsafe_all.get(customer=customer, agent=world.giver)
    tag = next(iter(world.tags.values()))
    old.tags.set([tag])
    world.begin()
    world.call()
    world.a_day()
    assert world.of(customer).carried_at is None  # The new relation is not known here yet.
    new = Contact.unsafe_all.create(customer=customer, agent=world.taker, added_at=world.clock())
    world.pass_(minutes=11)
    world.look()
    dispatch(clock=world.clock)
    assert list(new.tags.all()) == [tag]
    assert world.of(customer).carried_at


def test_at_every_minute_the_states_add_up_to_the_agents_customers(world):
    """Refusals, a full receiver, somebody who is gone, a stop: nobody drops out of the sum."""
    world.sandbox.control("settings", refusals=0.4)
    had = set(
        Contact.unsafe_all.current().filter(agent=world.giver).values_list("customer", flat=True)
    )
    handover = world.begin(takers=[world.taker, world.spare])
    lost = Contact.unsafe_all.filter(customer=world.customers[3], agent=world.giver)
    lost.update(status=Contact.Status.DELETED_BY_CUSTOMER, ended_at=world.clock())
    retried = False
    for step in [1, 29, 31, 600, 3600, 12 * 3600, 9 * 3600, 2 * 3600, 2 * 3600, 60, 25 * 3600]:
        world.pass_(seconds=step)
        dispatch(clock=world.clock)
        _adds_up(world, handover, had)
        world.look()
        _adds_up(world, handover, had)
        if not retried and progress(handover).again:
            retried = bool(_retry_quietly(world, handover))
            _adds_up(world, handover, had)
    said = progress(handover)
    assert said.count(State.WAITING) == said.count(State.CALLING) == 0
    assert world.of(world.customers[3]).reason_code == "gone"


def _retry_quietly(world, handover) -> int:
    try:
        return _retry(world, handover, *world.agents[3:6])
    except HandoverRefused:
        return 0


def _adds_up(world, handover, had: set[int]) -> None:
    said = progress(handover)
    latest = Transfer.unsafe_all.latest().filter(handover=handover)
    assert said.total == sum(one.count for one in said.states) == len(had)
    assert set(latest.values_list("customer", flat=True)) == had


# Rules


def test_the_third_transfer_within_ninety_days_is_held_back_before_wecom_is_asked(world):
    customer = world.customers[0]
    for days_ago in (80, 40):
        _past(world, customer, days_ago)
    plan = world.plan()
    assert dict(plan.kept) == {"too_often": 1}
    world.begin()
    assert world.of(customer).state == State.KEPT
    world.call()
    assert world.started() == 4


@pytest.mark.parametrize(("days_ago", "held"), [(89, True), (90, False)])
def test_the_ninety_days_are_calendar_days(world, days_ago, held):
    customer = world.customers[0]
    _past(world, customer, 10)
    _past(world, customer, days_ago)
    assert bool(world.plan().kept) == held


def _past(world, customer, days_ago: int) -> None:
    handover = Handover.unsafe_all.create(giver=world.spare)
    at = world.clock() - timedelta(days=days_ago)
    Transfer.unsafe_all.create(
        handover=handover,
        customer=customer,
        giver=world.spare,
        taker=world.giver,
        state=State.DONE,
        started_at=at,
        ended_at=at,
    )


def test_who_has_left_for_more_than_a_year_cannot_be_inherited_from(world):
    world.leaves()
    Agent.unsafe_all.filter(pk=world.giver.pk).update(left_at=world.clock() - timedelta(days=366))
    world.giver.refresh_from_db()
    with pytest.raises(HandoverRefused, match="超过一年"):
        world.plan()


@pytest.mark.parametrize(
    ("takers", "complaint"),
    [
        (lambda world: [], "至少选择一位"),
        (lambda world: [world.giver], "不能接替自己"),
        (lambda world: [_away(world)], "不是在职状态"),
    ],
)
def test_impossible_receivers_are_refused(world, takers, complaint):
    with pytest.raises(HandoverRefused, match=complaint):
        world.plan(takers=takers(world))


def _away(world) -> Agent:
    Agent.unsafe_all.filter(pk=world.spare.pk).update(status=Agent.Status.DISABLED)
    world.spare.refresh_from_db()
    return world.spare


def test_a_number_that_has_changed_since_it_was_seen_is_not_carried_out(world):
    with pytest.raises(HandoverRefused, match="5 位，不是刚才的 4 位"):
        start_handover(
            giver=world.giver,
            takers=[world.taker],
            expected=4,
            by=world.author,
            now=world.clock(),
        )
    assert not Handover.unsafe_all.exists()


def test_a_receiver_who_left_meanwhile_gets_nobody(world):
    world.begin()
    Agent.unsafe_all.filter(pk=world.taker.pk).update(status=Agent.Status.LEFT)
    world.call()
    assert world.states() == {State.FAILED: 5}
    assert world.of(world.customers[0]).reason_code == "taker_away"
    assert world.started() == 0


def test_stopped_within_the_minute_nobody_is_asked(world):
    handover = world.begin()
    assert stop_handover(handover_id=handover.pk, by=world.author, now=world.clock()) == 5
    world.call()
    assert world.started() == 0
    assert world.states() == {State.KEPT: 5}
    with pytest.raises(HandoverRefused, match="没有可停止的"):
        stop_handover(handover_id=handover.pk, by=world.author, now=world.clock())


def test_more_than_a_hundred_customers_are_several_calls(world):
    for n in range(196):
        make_friend(world.giver, name=f"多{n}")
    world.begin(takers=[world.taker])
    sizes = [
        Transfer.unsafe_all.filter(item=item).count()
        for item in OutboxItem.unsafe_all.order_by("pk")
    ]
    assert sizes == [100, 100, 1]


# Two at once


def _double_click(world) -> list[Handover]:
    plan = world.plan()
    start, made, refused = threading.Barrier(2), [], []

    def press(taker) -> None:
        start.wait()
        try:
            made.append(
                start_handover(
                    giver=world.giver,
                    takers=[taker],
                    expected=plan.moving,
                    by=world.author,
                    now=world.clock(),
                )
            )
        except HandoverRefused as refusal:
            refused.append(refusal)
        connection.close()

    threads = [threading.Thread(target=press, args=(t,)) for t in (world.taker, world.spare)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


def test_two_clicks_make_one_open_transfer_of_each_customer(world):
    assert len(_double_click(world)) == 1
    assert Transfer.unsafe_all.open().count() == 5


def test_a_plan_that_looked_too_early_is_held_back_by_the_constraint(world):
    """The look before is not what protects: rows of another plan win, whoever looked when."""
    world.begin()
    other = Handover.unsafe_all.create(giver=world.giver)
    insert([_planned(world, other, customer) for customer in world.customers])
    assert set(other.transfers.values_list("state", "reason_code")) == {
        (State.KEPT, "open_elsewhere")
    }


def test_twin_without_the_constraint_a_customer_is_given_to_two(world):
    world.begin()
    with connection.cursor() as cursor:
        cursor.execute("drop index one_open_transfer_per_customer")
    try:
        other = Handover.unsafe_all.create(giver=world.giver)
        insert([_planned(world, other, customer) for customer in world.customers])
        assert Transfer.unsafe_all.open().count() == 10
    finally:
        Transfer.unsafe_all.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(
                "create unique index one_open_transfer_per_customer on crm_transfer (customer_id)"
                " where state in ('planned', 'calling', 'waiting')"
            )


def _planned(world, handover: Handover, customer) -> Transfer:
    return Transfer(handover=handover, customer=customer, giver=world.giver, taker=world.spare)


# Unclear, killed


@pytest.mark.parametrize("kind", ["effect_then_drop", "drop"])
def test_an_unclear_answer_is_looked_up_and_nobody_is_asked_twice(world, kind):
    world.begin()
    world.sandbox.fault(METHOD, kind, count=1)
    world.call()
    assert world.states() == {State.CALLING: 5}
    for _look in range(6):
        world.pass_(seconds=160)
        dispatch(clock=world.clock)
    assert world.states() == {State.WAITING: 5}
    assert world.started() == 5
    world.a_day()
    assert world.states() == {State.DONE: 5}


def _killed(world, process_environment, point: str) -> None:
    sandbox = world.sandbox
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "dispatch", "--once", "--at", str(world.clock())],
        env={
            **process_environment,
            "CHANGKE_KILL_AT": point,
            "WECOM_BASE_URL": sandbox.url,
            "WECOM_SECRET": sandbox.secret,
            "WECOM_CORP_ID": sandbox.corp_id,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.wait(timeout=120) == -signal.SIGKILL


@pytest.mark.worker
@pytest.mark.parametrize("point", ["outbox.before_call", "outbox.after_call"])
@pytest.mark.parametrize("end", [State.DONE, State.REFUSED, State.FULL, State.FAILED])
def test_killed_around_the_call_every_end_is_reached_and_nobody_asked_twice(
    world, process_environment, point, end
):
    world.sandbox.control("settings", refusals=1 if end == State.REFUSED else 0)
    if end == State.FAILED:  # WeCom no longer lists them as the giver's customers.
        for customer in world.customers:
            world.sandbox.step(
                "delete_by_agent",
                userid=world.giver.userid,
                external_userid=customer.external_userid,
            )
    world.begin()
    world.pass_(seconds=61)
    _killed(world, process_environment, point)
    assert world.states() == {State.CALLING: 5}
    for _look in range(6):
        world.pass_(seconds=160)
        dispatch(clock=world.clock)
    if end == State.FULL:
        world.sandbox.control("settings", customer_limit={world.taker.userid: 0})
    world.a_day()
    assert world.states() == {end: 5}
    assert world.started() == (0 if end == State.FAILED else 5)


# Sharing out


@settings(suppress_health_check=[HealthCheck.too_slow])  # A busy machine is no fault of the rule.
@given(
    rooms=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    loads=st.lists(st.integers(0, 40), min_size=6, max_size=6),
    people=st.integers(0, 100),
    level=st.booleans(),
)
def test_sharing_out_respects_room_and_is_fair(rooms, loads, people, level):
    room, load = dict(enumerate(rooms)), dict(enumerate(loads[: len(rooms)]))
    given_ = share_out(list(range(people)), room=room, load=load, level=level)
    got = {pk: sum(taker == pk for taker in given_.values()) for pk in room}
    assert len(given_) == min(people, sum(rooms))
    assert all(got[pk] <= room[pk] for pk in room)
    height = {pk: got[pk] + (load[pk] if level else 0) for pk in room}
    for pk in room:  # Nobody with room to spare stands lower than somebody who got one more.
        for other in room:
            if got[other] and got[pk] < room[pk]:
                assert height[other] <= height[pk] + 1
