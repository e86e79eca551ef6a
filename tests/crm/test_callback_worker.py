"""From a person's act to the operator's page: sandbox, web server and a real worker."""

import subprocess
import sys
import time

import psutil
import pytest
from django.db import connection
from django.utils import timezone

from crm.callbacks.models import InboxEvent
from crm.customers.models import Customer
from crm.timeline.models import Fact
from tests.crm.wecom_helpers import URL
from tests.sandbox_fixture import ROOT
from tests.waiting import eventually
from tests.workers import celery_worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]


@pytest.fixture
def environment(wecom_sandbox, process_environment) -> dict[str, str]:
    return process_environment | {
        "WECOM_BASE_URL": wecom_sandbox.url,
        "WECOM_CORP_ID": wecom_sandbox.corp_id,
        "WECOM_SECRET": wecom_sandbox.secret,
        "WECOM_CALLBACK_TOKEN": wecom_sandbox.token,
        "WECOM_CALLBACK_AES_KEY": wecom_sandbox.aes_key,
    }


@pytest.fixture
def worker(environment):
    """A Celery worker that listens to the doorbell."""
    with celery_worker(environment, "-Q", "doorbell", "-c", "2") as process:
        yield process


@pytest.fixture
def receiver(wecom_sandbox, live_server):
    # The check allows one second, which a server's very first answer may miss.
    eventually(lambda: wecom_sandbox.send_callbacks_to(live_server.url + URL))
    return wecom_sandbox


def handled(n: int) -> bool:
    return InboxEvent.objects.filter(state__in=["done", "ignored"]).count() >= n


def test_an_added_friend_is_there_within_five_seconds(receiver, worker):
    receiver.step("add")
    eventually(lambda: handled(1), timeout=60)  # The worker is up and its token fetched.
    started = time.monotonic()
    step = receiver.step("add", name="刚刚加的")
    eventually(lambda: Customer.unsafe_all.filter(name="刚刚加的").exists(), timeout=5)
    assert time.monotonic() - started < 5
    assert Customer.unsafe_all.get(external_userid=step["ExternalUserID"]).is_friend


def test_a_worker_killed_in_the_middle_leaves_its_row_to_the_next(receiver, environment, worker):
    receiver.step("add")
    eventually(lambda: handled(1), timeout=60)
    receiver.fault("externalcontact/get", "delay", delay=30)
    receiver.step("add", name="半路")
    eventually(lambda: InboxEvent.objects.filter(state="leased").exists(), timeout=10)
    for child in psutil.Process(worker.pid).children():
        child.kill()
    receiver.control("faults", verb="DELETE")
    row = InboxEvent.objects.get(state="leased")
    assert row.attempts == 1
    # Its lease runs out; the sweep finds it, whether or not the broker tells again.
    InboxEvent.objects.filter(pk=row.pk).update(next_try_at=timezone.now())
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "-v0", "-c"]
    sweep = "from crm.callbacks import actions; actions.work_inbox()"
    subprocess.run([*command, sweep], env=environment, check=True, timeout=60)
    eventually(lambda: InboxEvent.objects.filter(pk=row.pk, state="done").exists())
    assert Fact.unsafe_all.filter(customer__name="半路").count() == 1


def test_a_lost_connection_to_the_database_is_answered_with_come_again(receiver, live_server):
    receiver.control("callbacks", retry_seconds=0.2)
    name = connection.settings_dict["NAME"]
    for _ in range(3):
        receiver.step("add", count=3)
        with connection.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
                " and pid <> pg_backend_pid() and backend_type = 'client backend'",
                [name],
            )
    sent = receiver.delivered()
    delivered = {row["xml"] for row in sent if row["state"] == "delivered"}
    assert delivered == {row["xml"] for row in sent}
    assert set(InboxEvent.objects.values_list("message", flat=True)) == delivered
