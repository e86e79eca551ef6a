"""What machines are told about the installation's health."""

import signal
import socket
import subprocess
import sys
from contextlib import closing

import pytest
from django.conf import settings as product
from django.utils import timezone

from config import embedded, health, heartbeats
from config.processes import stop
from tests.waiting import eventually

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def silent_wecom(settings):
    """An address at which nobody answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        settings.WECOM_BASE_URL = f"http://127.0.0.1:{free.getsockname()[1]}"


def checks(client) -> tuple[int, dict]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()["checks"]


def test_a_living_process_answers_anybody(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_what_is_missing_is_named_and_makes_it_unready(client):
    status, found = checks(client)
    assert status == 503
    assert found["postgresql"]["ok"] and found["broker"]["ok"] and found["newest_fact"]["ok"]
    silent = "no worker takes from celery, doorbell, express"
    assert found["worker"] == {"ok": False, "detail": silent}
    assert found["beat"] == {"ok": False, "detail": "no sign of life"}
    assert found["wecom"] == {"ok": False, "detail": "ConnectError"}


def test_signs_of_life_count_until_they_are_old(client, time_machine):
    heartbeats.note("beat")
    heartbeats.note("queue:celery")
    heartbeats.note("queue:doorbell")
    heartbeats.note("queue:express")
    time_machine.move_to(timezone.now(), tick=False)
    found = checks(client)[1]
    assert found["worker"]["ok"] and found["beat"]["ok"]
    time_machine.shift(health.QUIET_SECONDS + 1)
    found = checks(client)[1]
    assert not found["worker"]["ok"] and not found["beat"]["ok"]


def test_wecom_must_answer_as_wecom(client, settings, live_server):
    settings.WECOM_BASE_URL = live_server.url
    assert checks(client)[1]["wecom"]["ok"] is False


def test_a_broker_that_is_away_is_told_without_its_address(client, monkeypatch):
    def no_broker():
        raise ConnectionRefusedError("/secret/place/valkey.sock")

    monkeypatch.setattr(health.celery_app, "connection_for_write", no_broker)
    answer = client.get("/readyz")
    assert answer.json()["checks"]["broker"] == {"ok": False, "detail": "ConnectionRefusedError"}
    assert "secret" not in answer.content.decode()
    for name in ("SECRET_KEY", "WECOM_SECRET", "WECOM_CALLBACK_TOKEN", "WECOM_CALLBACK_AES_KEY"):
        assert (getattr(product, name) or "-none-") not in answer.content.decode()


def test_only_reading_is_allowed(client):
    assert client.post("/healthz").status_code == 405
    assert client.post("/readyz").status_code == 405


@pytest.mark.worker
def test_real_workers_and_beat_give_signs_of_life(process_environment, client, tmp_path):
    celery = [sys.executable, "-m", "celery", "-A", "config"]
    commands = [
        [*celery, "worker", "-Q", "celery,doorbell,express", "-c", "1", "--without-mingle"],
        [*celery, "beat", "-s", str(tmp_path / "beat"), "--pidfile="],
    ]
    children = [
        subprocess.Popen(
            command,
            cwd=embedded.ROOT,
            env=process_environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for command in commands
    ]
    try:
        eventually(lambda: checks(client)[1]["worker"]["ok"], 30)
        eventually(lambda: checks(client)[1]["beat"]["ok"], 30)
    finally:
        stop(children, by=signal.SIGQUIT, within=5)
