"""Welcomes: from the callback to the sandbox's ledger, once per code, and never in silence."""

import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from config import heartbeats
from crm.acquisition.actions import WelcomeRule, choose, save_welcome
from crm.acquisition.models import Welcome, WelcomeSent
from crm.acquisition.wording import BadWording, check_wording, say
from crm.agents.access import Role
from crm.agents.models import Agent, AuditEntry
from crm.callbacks import actions as callbacks
from crm.callbacks.models import InboxEvent
from crm.customers.models import Customer
from crm.outbox.dispatcher import dispatch
from crm.outbox.models import OutboxItem
from crm.wecom.limits import limits
from tests.crm.wecom_helpers import deliver, told
from tests.factories import (
    make_agent,
    make_channel,
    make_customer,
    make_department,
    make_friend,
    make_user,
)
from tests.sandbox_fixture import ROOT
from tests.waiting import eventually

METHOD = "externalcontact/send_welcome_msg"
Outcome = WelcomeSent.Outcome
State = OutboxItem.State


class Clock:
    """Real time, moved on by tests; the sandbox's clock goes along."""

    def __init__(self, sandbox) -> None:
        self.sandbox, self.offset = sandbox, timedelta()

    def __call__(self):
        return timezone.now() + self.offset

    def pass_(self, seconds: float) -> None:
        self.offset += timedelta(seconds=seconds)
        self.sandbox.control("clock", advance=seconds)


@pytest.fixture
def clock(wecom_sandbox):
    return Clock(wecom_sandbox)


def rule(**values) -> Welcome:
    values = {"name": "默认", "text": "你好 {客户|朋友}，我是 {员工|顾问}"} | values
    return save_welcome(WelcomeRule(**values), by=None, now=timezone.now())


@pytest.fixture
def default(db) -> Welcome:
    return rule(is_default=True)


def greeted(client, sandbox, clock, **act) -> WelcomeSent:
    """Somebody is added, their callback kept and their welcome queued."""
    sandbox.step("add", **act)
    message = told(sandbox)[-1]
    deliver(client, message)
    event = InboxEvent.objects.latest("pk")
    callbacks.greet_kept(bytes(event.digest), now=clock())
    return WelcomeSent.unsafe_all.latest("pk")


def outcome(sent: WelcomeSent) -> tuple[str, str]:
    sent.refresh_from_db()
    return sent.outcome, OutboxItem.unsafe_all.get(subject_id=sent.pk, kind="welcome").state


# Sending


@pytest.mark.django_db
def test_a_welcome_goes_out_before_anybody_asked_who_the_customer_is(
    client, wecom_sandbox, clock, default
):
    sent = greeted(client, wecom_sandbox, clock)
    assert not Customer.unsafe_all.exists()
    dispatch(clock=clock, urgent_only=True)
    assert outcome(sent) == (Outcome.SENT, State.DONE)
    [effect] = wecom_sandbox.ledger(METHOD)
    assert effect["body"]["text"]["content"] == "你好 朋友，我是 顾问"


@pytest.mark.django_db
def test_known_names_are_said(client, wecom_sandbox, clock, default):
    step = wecom_sandbox.step("add")
    make_customer(external_userid=step["ExternalUserID"], name="阿珍")
    make_agent(userid=step["UserID"], name="李婷")
    deliver(client, told(wecom_sandbox)[-1])
    callbacks.work_inbox(clock=clock)
    dispatch(clock=clock)
    [effect] = wecom_sandbox.ledger(METHOD)
    assert effect["body"]["text"]["content"] == "你好 阿珍，我是 李婷"


@pytest.mark.django_db
def test_one_code_is_greeted_once_whichever_way_its_callback_comes(
    client, wecom_sandbox, clock, default
):
    greeted(client, wecom_sandbox, clock)
    deliver(client, *told(wecom_sandbox))
    callbacks.work_inbox(clock=clock)
    dispatch(clock=clock)
    InboxEvent.objects.update(state="waiting", attempts=0)
    callbacks.work_inbox(clock=clock)
    dispatch(clock=clock)
    assert len(wecom_sandbox.ledger(METHOD)) == 1
    assert WelcomeSent.unsafe_all.count() == OutboxItem.unsafe_all.count() == 1


@pytest.mark.django_db
def test_the_inbox_queues_the_welcome_even_if_the_contact_cannot_be_looked_up(
    client, wecom_sandbox, clock, default
):
    """Without a broker nobody rings the express worker."""
    wecom_sandbox.step("add")
    wecom_sandbox.fault("externalcontact/get", "errcode", errcode=45009)
    deliver(client, *told(wecom_sandbox))
    callbacks.work_inbox(clock=clock)
    dispatch(clock=clock)
    assert outcome(WelcomeSent.unsafe_all.get()) == (Outcome.SENT, State.DONE)
    assert not Customer.unsafe_all.exists()


@pytest.mark.django_db
def test_a_welcome_comes_before_everything_else_that_is_due(client, wecom_sandbox, clock, default):
    earlier = clock() - timedelta(hours=1)
    OutboxItem.unsafe_all.bulk_create(
        OutboxItem(kind="nobody", key=f"n{n}", subject_type="x", subject_id=n, due_at=earlier)
        for n in range(5)
    )
    sent = greeted(client, wecom_sandbox, clock)
    dispatch(clock=clock, limit=1)
    assert outcome(sent) == (Outcome.SENT, State.DONE)


@pytest.mark.django_db
def test_without_a_rule_nothing_is_sent_and_that_is_on_record(client, wecom_sandbox, clock):
    sent = greeted(client, wecom_sandbox, clock)
    assert sent.outcome == Outcome.NO_RULE
    assert not OutboxItem.unsafe_all.exists()


# Late, used, unclear


@pytest.mark.django_db
def test_a_code_that_ran_out_here_is_not_even_tried(client, wecom_sandbox, clock, default):
    sent = greeted(client, wecom_sandbox, clock)
    clock.pass_(21)
    dispatch(clock=clock)
    assert outcome(sent) == (Outcome.LATE, State.SKIPPED)
    assert METHOD not in wecom_sandbox.read("state")["calls"]


@pytest.mark.django_db
@pytest.mark.parametrize(("code", "said"), [(41050, Outcome.LATE), (41051, Outcome.USED)])
def test_a_late_or_used_code_is_recorded_and_not_retried(
    client, wecom_sandbox, clock, default, code, said
):
    sent = greeted(client, wecom_sandbox, clock)
    wecom_sandbox.fault(METHOD, "errcode", errcode=code)
    for _round in range(3):
        dispatch(clock=clock)
        clock.pass_(3)
    assert outcome(sent) == (said, State.SKIPPED)
    assert wecom_sandbox.read("state")["calls"][METHOD] == 1


@pytest.mark.django_db
def test_one_that_is_being_sent_elsewhere_is_tried_again_in_time(
    client, wecom_sandbox, clock, default
):
    sent = greeted(client, wecom_sandbox, clock)
    wecom_sandbox.fault(METHOD, "errcode", errcode=41096, count=1)
    dispatch(clock=clock)
    assert outcome(sent) == (Outcome.WAITING, State.WAITING)
    clock.pass_(3)
    dispatch(clock=clock)
    assert outcome(sent) == (Outcome.SENT, State.DONE)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["effect_then_drop", "drop", "http_500"])
def test_an_answer_that_never_came_is_asked_for_again_while_the_code_lives(
    client, wecom_sandbox, clock, default, kind
):
    """Whether it had been carried out or not, the customer is greeted once."""
    sent = greeted(client, wecom_sandbox, clock)
    wecom_sandbox.fault(METHOD, kind, count=1)
    dispatch(clock=clock)
    assert outcome(sent) == (Outcome.WAITING, State.UNCERTAIN)
    clock.pass_(2)
    dispatch(clock=clock)
    assert outcome(sent) == (Outcome.SENT, State.DONE)
    assert len(wecom_sandbox.ledger(METHOD)) == 1


@pytest.mark.django_db
def test_unclear_until_the_code_ran_out_stays_unknown(client, wecom_sandbox, clock, default):
    sent = greeted(client, wecom_sandbox, clock)
    wecom_sandbox.fault(METHOD, "effect_then_drop")
    dispatch(clock=clock)
    clock.pass_(25)
    dispatch(clock=clock)
    assert outcome(sent) == (Outcome.UNKNOWN, State.SKIPPED)
    assert len(wecom_sandbox.ledger(METHOD)) == 1


@pytest.mark.worker
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", ["outbox.before_call", "outbox.after_call"])
def test_killed_around_the_call_the_customer_is_still_greeted_once(
    client, wecom_sandbox, clock, default, process_environment, point
):
    sent = greeted(client, wecom_sandbox, clock)
    # Starting a process takes seconds on a busy machine; the code must not run out meanwhile.
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "dispatch", "--once", "--at", str(clock())],
        env={
            **process_environment,
            "CHANGKE_KILL_AT": point,
            "WECOM_BASE_URL": wecom_sandbox.url,
            "WECOM_SECRET": wecom_sandbox.secret,
            "WECOM_CORP_ID": wecom_sandbox.corp_id,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert outcome(sent)[1] == State.CALLING
    # As if eight seconds had passed since the call, however long the process took.
    OutboxItem.unsafe_all.update(lease_until=clock() - timedelta(seconds=1))
    later = OutboxItem.unsafe_all.get()
    later.payload["until"] = (clock() + timedelta(seconds=10)).isoformat()
    later.save()
    dispatch(clock=clock)
    said = outcome(sent)
    effects = len(wecom_sandbox.ledger(METHOD))
    assert (said, effects) == ((Outcome.SENT, State.DONE), 1)


# The whole way


@pytest.mark.worker
@pytest.mark.django_db(transaction=True)
def test_at_twenty_adds_a_second_welcomes_are_out_within_three_seconds(
    wecom_sandbox, live_server, default, process_environment
):
    """Callback to ledger, through web and two real workers; the long run is in the bench."""
    environment = {
        **process_environment,
        "WECOM_BASE_URL": wecom_sandbox.url,
        "WECOM_SECRET": wecom_sandbox.secret,
        "WECOM_CORP_ID": wecom_sandbox.corp_id,
    }
    celery = [sys.executable, "-m", "celery", "-A", "config", "worker", "--without-mingle"]
    workers = [
        subprocess.Popen(
            [*celery, *options],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for options in (
            ["-Q", "doorbell", "-c", "1", "-n", "doorbell@%h"],
            ["-Q", "express", "-P", "threads", "-c", "8", "-n", "express@%h"],
        )
    ]
    try:
        eventually(lambda: wecom_sandbox.send_callbacks_to(live_server.url + "/wecom/callback/"))
        for queue in ("express", "doorbell"):
            eventually(lambda queue=queue: heartbeats.age(f"queue:{queue}") is not None, timeout=60)
        wecom_sandbox.step("add")
        eventually(lambda: wecom_sandbox.ledger(METHOD), timeout=30)
        for _second in range(3):
            wecom_sandbox.step("add", count=20)
            eventually(lambda: not WelcomeSent.unsafe_all.filter(outcome="waiting").exists(), 10)
        eventually(lambda: len(wecom_sandbox.ledger(METHOD)) == 61, timeout=20)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(timeout=30)
    codes = {row["code"]: row for row in wecom_sandbox.read("messages")["welcomes"]}
    waits = sorted(row["used_at"] - row["issued_at"] for row in codes.values())
    assert len(waits) == 61
    assert waits[-2] < 3  # The first of all waited for connections and the token.


# Rules


@pytest.mark.django_db
def test_the_highest_rule_that_fits_is_taken():
    sales, shop = make_department(), make_channel(code="shop")
    inside, outside = make_agent(department=sales), make_agent(department=make_department())
    everyone = rule(is_default=True)
    by_shop = rule(name="门店", channel=shop, priority=1)
    by_team = rule(name="部门", departments=(sales,), priority=2)
    by_name = rule(name="本人", agents=(outside,), channel=shop, priority=3)
    assert choose(inside, "shop") == by_team
    assert choose(outside, "shop") == by_name
    assert choose(outside, "fair") == everyone
    assert choose(make_agent(), "shop") == by_shop
    Welcome.objects.filter(pk=by_name.pk).update(is_active=False)
    assert choose(outside, "shop") == by_shop


@pytest.mark.django_db
def test_a_new_default_takes_the_place_of_the_old_one(default):
    newer = rule(name="新", is_default=True)
    default.refresh_from_db()
    assert (default.is_default, newer.is_default) == (False, True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "请填写"),
        ("你好 {名字}", "没有变量“名字”"),
        ("你好 {客户", "没有成对"),
        ("好" * 1334, "最多 4000 字节，现有 4002 字节"),
    ],
)
def test_words_that_could_not_be_sent_are_refused_when_they_are_written(text, complaint):
    with pytest.raises(BadWording, match=complaint):
        check_wording(text)


@given(
    before=st.text(st.characters(codec="utf-8", exclude_characters="{}|"), max_size=2000),
    spare=st.text(st.characters(codec="utf-8", exclude_characters="{}|"), max_size=20),
    customer=st.text(max_size=200),
    agent=st.text(max_size=200),
)
def test_accepted_words_can_always_be_sent(before, spare, customer, agent):
    text = before + "{客户|" + spare + "}{agent}"
    try:
        check_wording(text)
    except BadWording:
        return
    said = say(text, customer=customer, agent=agent)
    assert said.startswith(before)
    assert len(said.encode("utf-8", "surrogatepass")) <= limits().message_bytes


# The page


@pytest.mark.django_db
def test_an_operator_writes_a_rule_and_its_change_is_audited(client):
    operator = make_user(Role.OPERATOR)
    client.force_login(operator)
    values = {"name": "默认", "text": "你好 {客户|朋友}", "is_default": "on", "is_active": "on"}
    made = client.post(reverse("crm:acquisition:add_welcome"), values | {"priority": 0})
    assert made.status_code == 302
    welcome = Welcome.objects.get()
    assert (welcome.text, welcome.is_default) == ("你好 {客户|朋友}", True)
    assert AuditEntry.objects.get(action="welcome.save").actor == operator
    page = client.get(reverse("crm:acquisition:edit_welcome", args=[welcome.pk]))
    assert "你好 {客户|朋友}" in page.content.decode()


@pytest.mark.django_db
def test_bad_words_are_shown_at_their_field_and_nothing_is_kept(client):
    client.force_login(make_user(Role.OPERATOR))
    values = {"name": "坏", "text": "你好 {谁}", "priority": 0}
    answer = client.post(reverse("crm:acquisition:add_welcome"), values)
    assert answer.status_code == 422
    assert answer.context["form"].errors["text"]
    assert not Welcome.objects.exists()


@pytest.mark.django_db
def test_the_page_tells_outcomes_and_speed(client, default):
    agent, now = make_agent(), timezone.now()
    for n, said in enumerate([Outcome.SENT, Outcome.SENT, Outcome.LATE]):
        WelcomeSent.unsafe_all.create(
            code=f"c{n}",
            external_userid=make_friend(agent).external_userid,
            agent=agent,
            userid=agent.userid,
            welcome=default,
            outcome=said,
            happened_at=now,
            queued_at=now,
            finished_at=now + timedelta(seconds=2),
        )
    client.force_login(make_user(Role.OPERATOR))
    page = client.get(reverse("crm:acquisition:welcomes"))
    for _row, _level, customer in page.context["rows"]:
        assert reverse("crm:customers:profile", args=[customer.pk]) in page.content.decode()
    summary = page.context["summary"]
    assert (summary.total, summary.p99_seconds) == (3, 2.0)
    assert sum(one.count for one in summary.outcomes) == 3
    late = client.get(reverse("crm:acquisition:welcomes") + "?outcome=late")
    assert [row.code for row, _level, _customer in late.context["rows"]] == ["c2"]
    assert Agent.unsafe_all.count() == 1
