"""The callback endpoint and its inbox: what is believed, what is kept, and how it is worked off."""

import json
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kombu.exceptions import OperationalError as BrokerAway

from crm.callbacks import actions, keeping, tasks
from crm.callbacks.models import InboxEvent
from crm.callbacks.refusals import refusals
from crm.timeline.models import Fact
from tests.crm.bad_callbacks import bad_requests
from tests.crm.wecom_helpers import CRYPT, URL, deliver, envelope, event_xml, post, take
from tests.factories import make_user
from tests.sandbox_fixture import ROOT, SandboxProcess
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("db")
UNKNOWN = {"MsgType": "event", "Event": "subscribe"}


@pytest.fixture(autouse=True)
def _configured(callback_settings, monkeypatch):
    monkeypatch.setattr(tasks, "_silent_until", time.monotonic() + 3600)  # No broker here.


def test_a_callback_is_kept_once_and_answered(client):
    message = event_xml(**UNKNOWN)
    for nonce in ("a1", "a2"):
        response = post(client, *envelope(message, nonce=nonce))
        assert (response.status_code, response.content) == (200, b"success")
    [row] = InboxEvent.objects.all()
    assert row.message == message
    assert (row.event, row.state) == ("subscribe", "waiting")


def test_events_of_the_same_second_are_different_events(client):
    at = int(time.time())
    deliver(client, *(event_xml(**UNKNOWN, CreateTime=at, UserID=f"u{n}") for n in range(3)))
    assert InboxEvent.objects.count() == 3


def test_the_address_check_gets_the_bare_plaintext_within_a_second(client):
    for _ in range(20):  # Some of them carry a plus sign.
        query, _body = envelope("1616140317555161061")
        echo = CRYPT.encrypt(b"1616140317555161061")
        query["msg_signature"] = CRYPT.signature(
            timestamp=query["timestamp"], nonce=query["nonce"], encrypted=echo
        )
        started = time.perf_counter()
        response = client.get(URL, {**query, "echostr": echo})
        assert time.perf_counter() - started < 1
        assert (response.status_code, response.content) == (200, b"1616140317555161061")


def test_every_bad_request_gets_one_identical_refusal_and_changes_nothing(client):
    answers, expected = set(), {}
    for name, (reason, query, body) in bad_requests().items():
        response = post(client, query, body)
        headers = frozenset(
            (key, value) for key, value in response.headers.items() if key != "X-Request-ID"
        )
        answers.add((response.status_code, response.content, headers))
        expected[reason] = expected.get(reason, 0) + 1
        assert refusals(timezone.now()).get(reason) == expected[reason], name
    assert {answer[:2] for answer in answers} == {(403, b"refused")}
    assert len(answers) == 1
    assert not InboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_no_bad_request_costs_more_than_a_second_and_30_mb(process_environment):
    """Measured in a process of its own, by its peak and its clock."""
    configured = {
        "WECOM_CORP_ID": SandboxProcess.corp_id,
        "WECOM_CALLBACK_TOKEN": SandboxProcess.token,
        "WECOM_CALLBACK_AES_KEY": SandboxProcess.aes_key,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.crm.callback_costs"],
        env=process_environment | configured,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )
    costs = json.loads(done.stdout.splitlines()[-1])
    assert costs.keys() == bad_requests().keys()
    assert {(cost["status"], cost["answer"]) for cost in costs.values()} == {
        ("403 Forbidden", "refused")
    }
    assert {name: cost for name, cost in costs.items() if cost["seconds"] > 1} == {}
    assert {name: cost for name, cost in costs.items() if cost["mb"] > 30} == {}
    # The first one warmed up.
    assert sum(refusals(timezone.now()).values()) == len(costs) + 1


def test_the_measure_of_memory_sees_what_a_request_takes():
    """Its twin: an application that copies the whole body."""
    assert greedy_cost(size=40_000_000)["mb"] > 30


def greedy_cost(size: int) -> dict:
    script = (
        "import json; from tests.crm.callback_costs import cost;"
        "app = lambda r, start: (start('200 OK', []), [r['wsgi.input'].read() + b'x'])[1];"
        f"print(json.dumps({{'mb': cost(app, {{}}, bytes(bytearray({size})))['mb']}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)


def test_a_bad_address_check_gets_the_same_refusal(client):
    query, _body = envelope("x")
    for params in ({}, query, {**query, "echostr": "AAAA"}, {"echostr": "x" * 100}):
        response = client.get(URL, params)
        assert (response.status_code, response.content) == (403, b"refused")


def test_without_configuration_everything_is_refused(client, settings):
    settings.WECOM_CALLBACK_TOKEN = ""
    assert post(client, *envelope(event_xml(**UNKNOWN))).status_code == 403


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    query=st.dictionaries(
        st.sampled_from(["msg_signature", "timestamp", "nonce", "echostr", "x"]),
        st.text(max_size=60).filter(lambda text: text.isprintable()),
    ),
    body=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=100).map(
            lambda t: f"<xml><Encrypt>{t}</Encrypt></xml>".encode("utf-8", "replace")
        ),
    ),
)
def test_no_request_makes_it_fail_or_change_anything(client, query, body):
    assert post(client, query, body).status_code == 403
    assert client.get(URL, query).status_code == 403
    assert not InboxEvent.objects.exists()


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.text(max_size=80).map(
            lambda t: f"<xml><Event>{t}</Event><CreateTime>{t}</CreateTime></xml>".encode(
                "utf-8", "replace"
            )
        ),
    )
)
def test_no_signed_content_makes_it_fail(client, content):
    assert post(client, *envelope(content)).status_code in (200, 403)
    actions.work_inbox()
    assert not InboxEvent.objects.filter(state="parked").exists()


def test_without_the_database_the_answer_is_come_again(client, monkeypatch):
    def away(message, *, now):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(keeping, "keep_message", away)
    assert post(client, *envelope(event_xml(**UNKNOWN))).status_code == 503


def test_without_a_broker_the_row_is_kept_and_nobody_waits(client, monkeypatch):
    knocks = []

    def away(**_kwargs):
        knocks.append(1)
        raise BrokerAway("nobody there")

    monkeypatch.setattr(tasks, "_silent_until", 0.0)
    monkeypatch.setattr(tasks.work_inbox, "apply_async", away)
    for n in range(5):
        deliver(client, event_xml(**UNKNOWN, UserID=n))
        eventually(lambda: not tasks.is_ringing())
    assert InboxEvent.objects.count() == 5
    assert len(knocks) == 1  # Then it is left in peace for a while.


def test_unknown_events_are_kept_and_need_nothing(client):
    take(client, event_xml(**UNKNOWN), event_xml(Event="change_contact", ChangeType="update_tag"))
    assert {row.state for row in InboxEvent.objects.all()} == {"ignored"}


def poisoned() -> str:
    """An event that names nobody: its handler cannot work."""
    return event_xml(Event="change_external_contact", ChangeType="add_external_contact")


def test_poison_is_parked_after_five_tries_and_blocks_nobody(client):
    deliver(client, poisoned(), event_xml(**UNKNOWN))
    now = timezone.now()
    for day in range(10):
        actions.work_inbox(clock=lambda day=day: now + timedelta(days=day))
    bad, good = InboxEvent.objects.order_by("pk")
    assert (good.state, good.attempts) == ("ignored", 1)
    assert (bad.state, bad.attempts) == ("parked", 5)
    assert "ExternalUserID" in bad.reason


def test_a_parked_callback_can_be_replayed_and_that_is_audited(client):
    deliver(client, poisoned())
    InboxEvent.objects.update(state="parked", attempts=5, finished_at=timezone.now())
    row, admin = InboxEvent.objects.get(), make_user("admin")
    assert actions.replay_event(event_id=row.pk, by=admin, now=timezone.now())
    assert not actions.replay_event(event_id=row.pk, by=admin, now=timezone.now())
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("waiting", 0)


def test_a_row_that_kills_its_worker_every_time_is_parked_too(client):
    deliver(client, poisoned())
    now = timezone.now()
    for hour in range(5):
        assert actions.claim_event(now=now + timedelta(hours=hour))  # … and dies here.
    assert actions.claim_event(now=now + timedelta(hours=6)) is None
    assert InboxEvent.objects.get().state == "parked"


def test_a_lease_keeps_others_away_until_it_lapses(client):
    deliver(client, event_xml(**UNKNOWN))
    now = timezone.now()
    first = actions.claim_event(now=now)
    assert actions.claim_event(now=now + timedelta(seconds=29)) is None
    second = actions.claim_event(now=now + timedelta(seconds=31))
    assert second.pk == first.pk
    actions.work_event(first)  # Woke up late: its work is rolled back.
    assert InboxEvent.objects.get().state == "leased"
    actions.work_event(second)
    assert InboxEvent.objects.get().state == "ignored"


def test_a_silent_wecom_defers_without_counting_towards_the_five(client, settings):
    settings.WECOM_BASE_URL = "http://127.0.0.1:9"  # Nobody listens there.
    pair = {"UserID": "li.ting", "ExternalUserID": "wmX"}
    deliver(
        client,
        event_xml(Event="change_external_contact", ChangeType="edit_external_contact", **pair),
    )
    now = timezone.now()
    for hour in range(7):
        actions.work_inbox(clock=lambda hour=hour: now + timedelta(hours=hour))
    row = InboxEvent.objects.get()
    assert (row.state, row.attempts, row.deferrals) == ("waiting", 0, 7)
    assert row.next_try_at <= now + timedelta(hours=6, minutes=10)


def test_handled_callbacks_are_forgotten_after_their_time(client):
    take(client, event_xml(**UNKNOWN))
    deliver(client, poisoned())
    InboxEvent.objects.update(received_at=timezone.now() - timedelta(days=31))
    assert actions.forget_old_events() == 1
    assert InboxEvent.objects.get().state == "waiting"


def _two_workers(event_id: int) -> int:
    """Two workers go for the same row at the same moment; how many of them got it."""
    start, got = threading.Barrier(2), []

    def work() -> None:
        try:
            start.wait()
            event = actions.claim_event(now=timezone.now(), event_id=event_id)
            if event is not None:
                got.append(event.fence)
                actions.work_event(event)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(got)


@pytest.fixture
def added(wecom_sandbox, client, transactional_db) -> int:
    """The inbox row of an added friend."""
    wecom_sandbox.step("add")
    deliver(client, wecom_sandbox.read("callbacks")[0]["xml"])
    return InboxEvent.objects.get().pk


def test_two_workers_on_one_row_make_one_attempt_and_one_fact(added):
    assert _two_workers(added) == 1
    row = InboxEvent.objects.get()
    assert (row.state, row.attempts) == ("done", 1)
    assert Fact.unsafe_all.filter(kind__code="friend_added").count() == 1


def test_without_the_claim_both_workers_do_the_work(added, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "callbacks.claim")
    assert _two_workers(added) == 2
    # The name of the fact still holds: unique(source, source_key).
    assert Fact.unsafe_all.filter(kind__code="friend_added").count() == 1


def test_the_sandbox_finds_the_address_in_order_and_delivers(
    wecom_sandbox, live_server, transactional_db
):
    eventually(lambda: wecom_sandbox.send_callbacks_to(live_server.url + URL))
    wecom_sandbox.control("callbacks", duplicate=0.5, reorder_seconds=0.3)
    wecom_sandbox.step("add", count=8)
    sent = wecom_sandbox.delivered()
    assert {row["state"] for row in sent} == {"delivered"}
    eventually(lambda: InboxEvent.objects.count() == len({row["xml"] for row in sent}))
    actions.work_inbox()
    assert {row.state for row in InboxEvent.objects.all()} == {"done"}


def test_refusals_are_counted_even_without_the_cache(client, monkeypatch):
    from redis.exceptions import ConnectionError as CacheAway

    def away(*_args, **_kwargs):
        raise CacheAway

    monkeypatch.setattr(cache, "add", away)
    assert post(client, {}, b"").status_code == 403
