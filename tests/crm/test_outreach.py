"""Mass sends: who gets one from whom, nothing twice, nothing lost, nobody over a cap."""

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm.audiences.models import Audience, AudienceMember
from crm.customers.models import Contact, Customer
from crm.outbox import registry
from crm.outbox.dispatcher import dispatch
from crm.outbox.models import OutboxItem, QuietHours
from crm.outreach import actions, caps, following, own_sends
from crm.outreach.actions import NotAllowed, StaleSend
from crm.outreach.content import SendContent, SendRejected
from crm.outreach.models import AgentSend, MassBatch, MassRecipient, MassSend, OptOut, ReceiveCap
from crm.outreach.planning import dry_run, plan
from crm.shared.times import local_day
from tests.factories import make_agent, make_customer, make_fact, make_friend, make_group
from tests.moment_world import MomentWorld

METHOD = "externalcontact/add_msg_template"
State, Reason = MassRecipient.State, MassRecipient.Reason


class SendWorld(MomentWorld):
    """The sandbox's people, an audience of all of them, and sends to it."""

    def __init__(self, sandbox, settings) -> None:
        super().__init__(sandbox, settings)
        now = self.clock()
        for rule in QuietHours.in_force(now).values():
            QuietHours.objects.create(
                code=rule.code, valid_from=now, is_off=True, starts=rule.starts, ends=rule.ends
            )
        self.everybody = self.audience(Customer.unsafe_all.all())

    def audience(self, customers) -> Audience:
        ids = list(customers.values_list("pk", flat=True))
        audience = Audience.unsafe_all.create(
            name="人群", frozen_at=self.clock(), customer_count=len(ids), created_by=self.author
        )
        AudienceMember.objects.bulk_create(
            AudienceMember(audience=audience, customer_id=pk) for pk in ids
        )
        return audience

    def sent(self, text: str = "早安！", batch: int = 4, audience=None, **content: Any) -> MassSend:
        """Planned in small batches and approved."""
        now = self.clock()
        content = SendContent(
            title="早安",
            send_at=now,
            text=text,
            audience_id=(audience or self.everybody).pk,
            **content,
        )
        send = actions.draft_send(content=content, by=self.author, now=now)
        with transaction.atomic():
            send.planned = plan(send, now=now, batch_size=batch)
            send.state, send.submitted_by = MassSend.State.WAITING, self.author
            send.save()
        return actions.approve_send(
            send_id=send.pk, seen_hash=send.content_hash, by=self.approver, now=now
        )

    def work(self, rounds: int = 12, **pause: float) -> None:
        """Dispatch until nothing is open, time passing in between."""
        for _round in range(rounds):
            dispatch(clock=self.clock, limit=500)
            if not OutboxItem.unsafe_all.open().exists():
                return
            self.pass_(**(pause or {"seconds": 160}))

    def arrived(self, text: str) -> Counter:
        """How often each person is in a task with this text, by the sandbox's ledger."""
        people: Counter = Counter()
        for entry in self.sandbox.ledger(METHOD):
            body = entry["body"] if isinstance(entry["body"], dict) else json.loads(entry["body"])
            if body["text"]["content"] == text:
                people.update(body["external_userid"])
        return people


@pytest.fixture
def world(sandbox, settings, db):
    return SendWorld(sandbox, settings)


def reachable(send: MassSend) -> set[str]:
    rows = send.recipients.exclude(state=State.SKIPPED)
    return set(rows.values_list("customer__external_userid", flat=True))


def states(send: MassSend) -> Counter:
    return Counter(send.recipients.values_list("state", flat=True))


def test_everybody_gets_one_from_the_agent_who_talked_last(world):
    send = world.sent()
    world.work()
    send.refresh_from_db()
    arrived = world.arrived("早安！")
    assert set(arrived) == reachable(send)
    assert set(arrived.values()) == {1}
    assert states(send).total() == send.planned == Customer.unsafe_all.count()
    assert send.state == MassSend.State.SENT
    assert OutboxItem.unsafe_all.filter(kind="mass_send").count() == send.batches.count() > 10


def test_the_sender_is_whoever_talked_with_the_customer_last(world):
    early, late = world.agents[:2]
    customer = make_friend(early, external_userid="wmTwo", added_at=world.clock())
    Contact.unsafe_all.create(
        customer=customer, agent=late, added_at=world.clock() - timedelta(days=9)
    )
    audience = world.audience(Customer.unsafe_all.filter(pk=customer.pk))

    def sender() -> int:
        return world.sent(audience=audience).recipients.get().agent_id

    assert sender() == early.pk
    make_fact(customer, "message_sent", world.clock(), agent_id=late.pk)
    assert sender() == late.pk
    late.status = "left"
    late.save()
    assert sender() == early.pk


BAD_DAY = {"kind": "effect_then_drop", "every": 3}


def test_calls_that_were_applied_and_never_answered_reach_nobody_twice(world):
    world.sandbox.fault(METHOD, **BAD_DAY)
    send = world.sent()
    world.work()
    arrived = world.arrived("早安！")
    assert set(arrived) == reachable(send)
    assert set(arrived.values()) == {1}
    assert states(send)[State.DONE] == len(arrived)
    unclear = OutboxItem.unsafe_all.filter(kind="mass_send", checks__gt=0)
    assert unclear.count() >= 3  # The day was bad indeed.
    assert not MassBatch.unsafe_all.filter(msgid=None, state=MassBatch.State.DONE).exists()


def test_the_twin_that_calls_again_where_no_answer_came_writes_twice(world):
    """Without looking at WeCom's records the same bad day pesters people."""
    handler = registry.handler_of("mass_send")
    registry.register(replace(handler, is_repeatable=True))
    try:
        world.sandbox.fault(METHOD, **BAD_DAY)
        world.sent()
        world.work()
    finally:
        registry.register(handler)
    assert max(world.arrived("早安！").values()) > 1


def test_a_call_that_was_not_applied_is_made_again_once_a_later_one_is_listed(world):
    world.sandbox.fault(METHOD, "drop", count=1)
    send = world.sent()
    world.work(rounds=1, seconds=60)
    assert len(world.arrived("早安！")) < len(reachable(send))
    world.sent(text="后来")  # Listed after the silent call's deadline: so that one never arrived.
    world.work()
    arrived = world.arrived("早安！")
    assert set(arrived) == reachable(send)
    assert set(arrived.values()) == {1}


def test_whoever_is_left_out_has_a_reason_and_the_states_add_up(world):
    opted_out = Customer.unsafe_all.filter(is_friend=True).first()
    actions.opt_out(customer=opted_out, note="不要再发", by=world.author, now=world.clock())
    stranger = make_customer()
    left = make_agent(status="left")
    orphan = make_friend(left)
    ids = [opted_out.pk, stranger.pk, orphan.pk]
    ids += list(Customer.unsafe_all.exclude(pk__in=ids).values_list("pk", flat=True)[:5])
    audience = world.audience(Customer.unsafe_all.filter(pk__in=ids))
    told = dry_run(audience_id=audience.pk, send_at=world.clock(), now=world.clock())
    send = world.sent(audience=audience)
    reasons = dict(send.recipients.filter(state=State.SKIPPED).values_list("customer_id", "reason"))
    assert reasons == {
        opted_out.pk: Reason.OPTED_OUT,
        stranger.pk: Reason.NOT_FRIEND,
        orphan.pk: Reason.NO_SENDER,
    }
    assert (told.planned, told.reached) == (send.planned, 5)
    assert dict(told.left_out) == dict.fromkeys(reasons.values(), 1)
    world.work()
    assert states(send) == {State.SKIPPED: 3, State.DONE: 5}


def test_who_opts_out_after_the_plan_is_left_out_at_the_call(world):
    send = world.sent()
    someone = send.recipients.filter(state=State.WAITING).first()
    actions.opt_out(customer=someone.customer, note="", by=None, now=world.clock())
    lost = send.recipients.filter(state=State.WAITING).last()
    Contact.unsafe_all.filter(customer=lost.customer).update(
        status="deleted_by_customer", ended_at=world.clock()
    )
    world.work()
    for row, reason in ((someone, Reason.OPTED_OUT), (lost, Reason.NOT_FRIEND)):
        row.refresh_from_db()
        assert (row.state, row.reason) == (State.SKIPPED, reason)
        assert row.customer.external_userid not in world.arrived("早安！")


def test_nobody_is_written_to_twice_by_one_send_whatever_code_tries(world):
    send = world.sent()
    row = send.recipients.first()
    with pytest.raises(IntegrityError), transaction.atomic():
        MassRecipient.unsafe_all.create(
            send=send, customer=row.customer, state=State.SKIPPED, reason="x"
        )


def cap_of(world, limit: int) -> None:
    ReceiveCap.objects.create(code=caps.CODE, valid_from=world.clock(), own_limit=limit)


def test_the_cap_of_the_month_is_kept_over_several_sends(world):
    cap_of(world, 2)
    for number in range(3):
        world.sent(text=f"第 {number} 条")
        world.work()
    assert set(world.arrived("第 1 条").values()) == {1}
    assert not world.arrived("第 2 条")


def test_what_agents_sent_of_their_own_accord_counts_in_the_cap(world):
    cap_of(world, 1)
    customer = Customer.unsafe_all.filter(is_friend=True).first()
    now = world.clock()
    AgentSend.objects.create(msgid="msgOwn", agent=world.agents[0], created_at=now)
    caps.SendSlot.objects.create(
        customer=customer, bucket="own", day=local_day(now), msgid="msgOwn", taken_at=now
    )
    send = world.sent()
    row = send.recipients.get(customer=customer)
    assert (row.state, row.reason) == (State.SKIPPED, Reason.CAP)


def test_a_slot_beyond_the_cap_is_refused_by_the_database(world):
    send = world.sent()
    row = send.recipients.first()
    with pytest.raises(IntegrityError), transaction.atomic():
        caps.SendSlot.objects.create(
            customer=row.customer,
            bucket="2026-11",
            n=3,
            cap=2,
            day=local_day(world.clock()),
            recipient=row,
            taken_at=world.clock(),
        )


def test_groups_get_a_post_from_their_owner_once(world):
    chat = next(iter(world.sandbox.read("state").get("chats", [])), None)
    owner = world.agents[0]
    group = make_group(owner, chat_id=chat["chat_id"] if isinstance(chat, dict) else "wrNone")
    gone = make_group(owner, dismissed_at=world.clock())
    now = world.clock()
    content = SendContent(
        title="群", send_at=now, target="groups", group_ids=(group.pk, gone.pk), text="团期"
    )
    send = actions.draft_send(content=content, by=world.author, now=now)
    send = actions.submit_send(send_id=send.pk, version=send.version, by=world.author, now=now)
    assert states(send) == {State.WAITING: 1, State.SKIPPED: 1}
    assert send.batches.get().agent == owner


def test_an_author_cannot_approve_and_an_edit_voids_the_approval(world):
    now = world.clock()
    content = SendContent(title="早安", send_at=now, text="早", audience_id=world.everybody.pk)
    send = actions.draft_send(content=content, by=world.author, now=now)
    send = actions.submit_send(send_id=send.pk, version=send.version, by=world.author, now=now)
    for who, seen in ((world.author, send.content_hash), (world.approver, "another")):
        with pytest.raises((NotAllowed, StaleSend)):
            actions.approve_send(send_id=send.pk, seen_hash=seen, by=who, now=now)
    send = actions.approve_send(
        send_id=send.pk, seen_hash=send.content_hash, by=world.approver, now=now
    )
    changed = SendContent(title="早安", send_at=now, text="晚", audience_id=world.everybody.pk)
    send = actions.edit_send(
        send_id=send.pk, version=send.version, content=changed, by=world.author, now=now
    )
    assert (send.state, send.approved_hash) == (MassSend.State.DRAFT, "")
    world.work()
    assert not world.arrived("早")


def test_content_changed_behind_the_approval_is_not_sent(world):
    send = world.sent()
    MassSend.unsafe_all.filter(pk=send.pk).update(text="别的")
    world.work()
    assert not world.arrived("别的")
    assert set(send.recipients.values_list("reason", flat=True)) <= {"changed", *Reason.values}
    assert State.DONE not in states(send)


def test_a_stopped_send_keeps_back_what_has_not_gone_out(world):
    send = world.sent()
    dispatch(clock=world.clock, limit=2)
    actions.stop_send(send_id=send.pk, by=world.author, now=world.clock())
    world.work()
    found = states(send)
    assert found[State.SKIPPED] > 0
    assert found.total() == send.planned
    assert len(world.arrived("早安！")) < send.planned
    assert OptOut.unsafe_all.count() == 0


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"title": ""}, "title"),
        ({"text": ""}, "text"),
        ({"text": "字" * 1_400}, "text"),
        ({"audience_id": 0}, "audience"),
        ({"link_url": "javascript:alert(1)"}, "link_url"),
        ({"link_url": "https://t.example"}, "link_title"),
        ({"target": "groups"}, "groups"),
    ],
)
def test_a_send_that_cannot_stand_names_its_field(world, wrong, field):
    values = {"title": "早", "send_at": world.clock(), "text": "早"}
    values |= {"audience_id": world.everybody.pk} | wrong
    with pytest.raises(SendRejected) as refusal:
        actions.draft_send(content=SendContent(**values), by=world.author, now=world.clock())
    assert refusal.value.field == field
    assert not MassSend.unsafe_all.exists()


def test_a_plan_is_a_constant_number_of_statements(world):
    now, counts = world.clock(), []
    one = world.audience(Customer.unsafe_all.filter(is_friend=True)[:1])
    for audience in (one, world.everybody):
        content = SendContent(title="早", send_at=now, text="早", audience_id=audience.pk)
        send = actions.draft_send(content=content, by=world.author, now=now)
        with CaptureQueriesContext(connection) as told, transaction.atomic():
            plan(send, now=now, batch_size=1)
        counts.append(len(told))
    assert counts[0] == counts[1]
    assert counts[1] <= 12
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from crm_massbatch where send_id = %s", [send.pk])
        assert cursor.fetchone()[0] > 20


def followed(world) -> None:
    """One round for every batch, whatever its pace."""
    world.pass_(seconds=10)
    MassBatch.unsafe_all.filter(msgid__isnull=False).update(follow_at=world.clock())
    for batch_id in following.due_batches(world.clock()):
        following.follow(batch_id, now=world.clock())


def test_what_each_person_received_is_asked_once_their_agent_has_sent(world):
    send = world.sent()
    world.work()
    followed(world)
    batch = send.batches.filter(confirmed_at=None).first()
    world.sandbox.step("send_mass", msgid=batch.msgid)
    followed(world)
    assert set(batch.recipients.values_list("result", flat=True)) == {1}
    assert not batch.recipients.filter(sent_at=None).exists()
    batch.refresh_from_db()
    assert batch.confirmed_at
    assert batch.follow_at is None


def test_whom_wecom_would_not_give_it_gives_the_unit_back(world):
    send = world.sent()
    world.work()
    followed(world)  # Some have sent by themselves in the meantime.
    batch = send.batches.filter(confirmed_at=None).first()
    gone = batch.recipients.select_related("customer").first()
    world.sandbox.step(
        "delete_by_customer",
        userid=batch.agent.userid,
        external_userid=gone.customer.external_userid,
    )
    world.sandbox.step("send_mass", msgid=batch.msgid)
    followed(world)
    gone.refresh_from_db()
    assert gone.result == 2
    assert not caps.SendSlot.objects.filter(recipient=gone).exists()
    assert caps.SendSlot.objects.filter(recipient__batch=batch).exists()


def test_an_agent_s_own_mass_send_is_found_and_counted_once(world):
    agent = world.agents[0]
    world.sandbox.step("personal_mass", userid=agent.userid)
    world.pass_(minutes=5)
    for _round in range(2):
        own_sends.find_own_sends(now=world.clock())
        own_sends.count_own_sends(now=world.clock())
        world.pass_(hours=1)
    own = AgentSend.objects.get()
    assert own.agent == agent
    assert own.received == caps.SendSlot.objects.filter(msgid=own.msgid).count() > 0


def test_what_an_agent_sent_takes_the_room_of_our_send(world):
    cap_of(world, 1)
    agent = world.agents[0]
    world.sandbox.step("personal_mass", userid=agent.userid)
    world.pass_(minutes=5)
    own_sends.find_own_sends(now=world.clock())
    own_sends.count_own_sends(now=world.clock())
    had = set(caps.SendSlot.objects.values_list("customer_id", flat=True))
    send = world.sent()
    left_out = send.recipients.filter(reason=Reason.CAP).values_list("customer_id", flat=True)
    assert set(left_out) == had
    assert had


def test_own_sends_that_cannot_be_listed_now_are_found_in_the_next_round(world):
    world.sandbox.step("personal_mass", userid=world.agents[0].userid)
    world.pass_(minutes=5)
    world.sandbox.fault("externalcontact/get_groupmsg_list_v2", "errcode", errcode=-1, count=20)
    assert own_sends.find_own_sends(now=world.clock()) == 0
    world.sandbox.control("faults", verb="DELETE")
    world.pass_(minutes=61)
    assert own_sends.find_own_sends(now=world.clock()) == 1


def test_an_item_of_a_plan_that_was_replaced_still_opens(world, client):
    send = world.sent()
    content = SendContent(
        title="早安", send_at=world.clock(), text="改过", audience_id=world.everybody.pk
    )
    said = {"send_id": send.pk, "by": world.author, "now": world.clock()}
    actions.edit_send(version=send.version, content=content, **said)
    client.force_login(world.author)
    item = OutboxItem.unsafe_all.first()
    assert not MassBatch.unsafe_all.filter(pk=item.subject_id).exists()
    assert client.get(reverse("crm:outbox:detail", args=[item.pk])).status_code == 200
