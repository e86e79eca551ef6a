"""Imports in real processes: found without a doorbell, killed at the worst moment, shown so."""

import io
import signal
import subprocess
import sys

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.catalog.models import Order
from crm.customers.models import Customer
from crm.imports.models import FileImport
from crm.imports.tasks import run_waiting_imports
from crm.jobs.actions import SILENT_FOR, interrupt_silent_jobs
from crm.jobs.models import Job
from crm.timeline.models import Fact
from tests.factories import make_user
from tests.waiting import eventually
from tests.workers import celery_worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]
HEADER = "order_id,customer_id,status,paid_at,amount\n"


def start(environment, *command):
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def order_file(tmp_path):
    path = tmp_path / "orders.csv"
    lines = (f"O{n},C{n % 90},paid,2026-11-03,5\n" for n in range(20_000))
    path.write_text(HEADER + "".join(lines))
    return path


def nothing_is_left() -> bool:
    return not (
        Order.unsafe_all.exists() or Customer.unsafe_all.exists() or Fact.unsafe_all.exists()
    )


def shown_as_interrupted() -> bool:
    interrupt_silent_jobs(now=timezone.now() + SILENT_FOR * 2)
    return Job.unsafe_all.latest("pk").state == Job.State.INTERRUPTED


@pytest.mark.parametrize("moment", ["while reading", "ingest.written"])
def test_a_killed_import_leaves_nothing_half_done(process_environment, order_file, moment):
    environment = process_environment | {"CHANGKE_KILL_AT": moment}
    process = start(environment, "manage.py", "import", "orders", str(order_file))
    if moment == "while reading":
        eventually(lambda: Job.unsafe_all.filter(state=Job.State.RUNNING).exists(), timeout=60)
        process.kill()
    assert process.wait(timeout=120) == -signal.SIGKILL
    eventually(nothing_is_left)
    assert shown_as_interrupted()


def test_after_a_kill_the_same_file_goes_in_whole(process_environment, order_file):
    killed = process_environment | {"CHANGKE_KILL_AT": "ingest.written"}
    start(killed, "manage.py", "import", "orders", str(order_file)).wait(timeout=120)
    again = start(process_environment, "manage.py", "import", "orders", str(order_file))
    assert again.wait(timeout=120) == 0
    assert Order.unsafe_all.count() == 20_000
    assert Fact.unsafe_all.filter(kind__code="order_paid").count() == 20_000


@pytest.fixture
def worker(process_environment):
    with celery_worker(process_environment, "-c", "1") as process:
        yield process


def test_the_worker_checks_and_takes_in_what_waits(worker, client):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    file = io.BytesIO((HEADER + "O1,C1,paid,2026-11-03,5\n").encode())
    file.name = "orders.csv"
    client.post(reverse("crm:imports:upload"), {"kind": "orders", "file": file})
    found = FileImport.unsafe_all.get()
    columns = ["order_id", "customer_id", "status", "paid_at", "amount"]
    mapping = {f"column_{position}": name for position, name in enumerate(columns)}

    def ended():
        found.refresh_from_db()
        return found.job.state == Job.State.DONE

    client.post(reverse("crm:imports:check", args=[found.pk]), mapping)
    eventually(ended, timeout=60)
    client.post(reverse("crm:imports:apply", args=[found.pk]))
    # A second delivery of the same job finds it claimed.
    run_waiting_imports()
    eventually(lambda: ended() and Order.unsafe_all.count() == 1, timeout=60)
    assert Job.unsafe_all.count() == 2
