"""WeCom's callbacks at an even pace while PostgreSQL is killed, and what is believed in the end.

The sandbox's people live a life first; what WeCom would have told of it is then posted in any
order, a fifth of it twice, at so many requests a second, to the production web server. Workers and
beat run beside it as in production. At a third and at two thirds of the time PostgreSQL is killed
by SIGKILL, and comes back. What got no 200 is posted again as WeCom does.

Whatever was answered with 200 must have its one row; and when the inbox has been worked off, a full
reconcile with the sandbox must find nothing to put right. The limit to compare with is the same
traffic with nobody killed.
"""

import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.core.management.base import CommandParser
from django.db import OperationalError, connection
from django.utils import timezone

from crm.callbacks.load.server import Server
from crm.callbacks.load.traffic import CALLBACK, DOUBLED, Traffic, edits
from crm.callbacks.models import InboxEvent
from crm.customers.models import Contact
from crm.shared.own_servers import bench_apart, running
from crm.sync.actions import sync_objects
from crm.sync.models import Reconcile, SyncObject
from crm.sync.reconciling import reconcile_all
from crm.wecom.hand import SandboxHand

NAME = "storm"
HELP = "callbacks under load while PostgreSQL is killed and comes back"
CONNECTIONS, WARM_REQUESTS = 64, 100
WORKED_OFF_SECONDS = 300
BACK_SECONDS = 60
_CELERY = ["-m", "celery", "-A", "config"]
_WORKER = [*_CELERY, "worker", "--without-mingle", "--without-gossip"]
_LIFE = ("add", "add", "add", "edit", "delete_by_customer", "delete_by_agent", "group_join")
_DONE = {InboxEvent.State.DONE, InboxEvent.State.IGNORED}


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--seconds", type=int, default=60, help="how long it lasts, default 60")
    parser.add_argument("--per-second", type=float, default=100.0, help="requests, default 100")
    parser.add_argument("--kills", type=int, default=2, help="of PostgreSQL, default 2")
    parser.add_argument("--here", action="store_true", help="on the servers in force, not its own")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Measure on servers of our own, made and thrown away."""
    named = {name: options[name] for name in ("seconds", "per_second", "kills")}
    if options["here"]:
        return _measure(**named)
    given = [f"--{name.replace('_', '-')}={value}" for name, value in named.items()]
    calm = bench_apart(NAME, [*given, "--kills=0"])["measured"]
    shaken = bench_apart(NAME, given)
    shaken["rivals"] = {"nobody_killed": calm}
    shaken["ratios"] = {"p99_over_calm": round(shaken["measured"]["p99_ms"] / calm["p99_ms"], 2)}
    return shaken


def _measure(*, seconds: int, per_second: float, kills: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, _world(folder) as world:
        sync_objects(SyncObject.values)
        requests = int(seconds * per_second)
        traffic = Traffic(_lived(world, requests - int(requests * DOUBLED)), seed=1)
        with _product(folder) as server:
            connection.close()  # PostgreSQL's end would be its end.
            killer = threading.Thread(target=_kill_now_and_then, args=(kills, seconds))
            killer.start()
            told = traffic.send(
                server.port,
                CALLBACK,
                Path(folder),
                connections=CONNECTIONS,
                per_second=per_second,
            )
            killer.join()
            begun = time.monotonic()
            states = _worked_off()
            took = time.monotonic() - begun
        rows = Counter(InboxEvent.objects.values_list("message", flat=True))
        accepted = {traffic.order[number] for number in told.pop("accepted")}
        measured = {name: _rounded(value) for name, value in told.items()} | {
            "accepted": len(accepted),
            "of": len(traffic.messages),
            "lost": len(accepted - rows.keys()),
            "doubled": sum(rows.values()) - len(rows),
            "states": states,
            "worked_off_s": round(took, 1),
            "relations_that_differ": len(_believed() ^ _true(world)),
            "repairs": reconcile_all(trigger=Reconcile.Trigger.NIGHTLY, wait=True).repairs,
        }
    scale = {"seconds": seconds, "per_second": per_second, "doubled_share": DOUBLED, "kills": kills}
    goals = {"p99_ms": "< 300", "lost": 0, "doubled": 0, "relations_that_differ": 0, "repairs": {}}
    return {"scale": scale | {"cores": len(os.sched_getaffinity(0))}, "measured": measured} | {
        "goals": goals
    }


def _rounded(value: Any) -> Any:
    return round(value, 1) if isinstance(value, float) else value


# The world


@contextmanager
def _world(folder: str) -> Iterator[SandboxHand]:
    """A sandbox of the bench's own, which the product calls from here on."""
    options = ["--port=0", "--customers=200", "--agents=20", "--groups=10", "--no-life"]
    options += [f"--store={folder}/sandbox", f"--corp-id={settings.WECOM_CORP_ID}"]
    options += [f"--agent-id={settings.WECOM_AGENT_ID}", f"--secret={settings.WECOM_SECRET}"]
    options += [f"--token={settings.WECOM_CALLBACK_TOKEN}"]
    options += [f"--aes-key={settings.WECOM_CALLBACK_AES_KEY}"]
    with running(["crm/wecom/sandbox", *options], speaks=True) as process:
        world = SandboxHand(process.stdout.readline().split()[1].rstrip("/"))
        settings.WECOM_BASE_URL = os.environ["WECOM_BASE_URL"] = world.url
        os.environ["WECOM_ARCHIVE"] = ""
        # Else those whom a customer left would be told of once more by the list.
        world.act("settings", lost_relations_listed=False)
        yield world


def _lived(world: SandboxHand, messages: int) -> list[str]:
    """What WeCom has to tell of a life: so many different messages."""
    told: list[str] = []
    acts = 0
    while len(told) < messages:
        for _ in range(messages - len(told)):
            world.act("step", kind=_LIFE[acts % len(_LIFE)])
            acts += 1
        rows = world.look("callbacks", limit=4 * messages)
        told = list(dict.fromkeys(row["xml"] for row in reversed(rows)))
    return told


def _true(world: SandboxHand) -> set[tuple[str, str]]:
    """Whose friend is who in the sandbox."""
    relations = world.look("world")["relations"]
    return {(row["userid"], row["external_userid"]) for row in relations if not row["lost_by"]}


def _believed() -> set[tuple[str, str]]:
    contacts = Contact.unsafe_all.filter(status=Contact.Status.ACTIVE)
    return set(contacts.values_list("agent__userid", "customer__external_userid"))


# The product


@contextmanager
def _product(folder: str) -> Iterator[Server]:
    """Web server, workers and beat, as they are in production."""
    beat = [*_CELERY, "beat", "-s", f"{folder}/beat", "--pidfile="]
    doorbell = [*_WORKER, "-n", "doorbell@bench", "-Q", "doorbell", "-c", "1"]
    express = [*_WORKER, "-n", "express@bench", "-Q", "express", "-P", "threads", "-c", "8"]
    with (
        Server("config.wsgi:application", "/healthz") as server,
        running(doorbell),
        running(express),
        running(beat),
    ):
        warm = Traffic(edits(WARM_REQUESTS, seed=0), seed=0)  # Nobody's: they are ignored.
        warm.send(server.port, CALLBACK, Path(folder), connections=8, per_second=20)
        _worked_off()
        InboxEvent.objects.all().delete()
        yield server


def _worked_off() -> dict[str, int]:
    """How the rows of the inbox ended, once none waits any more."""
    deadline = time.monotonic() + WORKED_OFF_SECONDS
    states: Counter[str] = Counter()
    while time.monotonic() < deadline:
        states = Counter(InboxEvent.objects.values_list("state", flat=True))
        if not states.keys() - _DONE - {InboxEvent.State.PARKED}:
            break
        time.sleep(0.5)
    return dict(states)


# The bad day


def _kill_now_and_then(kills: int, seconds: float) -> None:
    """Kill PostgreSQL so many times, evenly over the time."""
    begun = time.monotonic()
    for number in range(1, kills + 1):
        time.sleep(max(0.0, begun + seconds * number / (kills + 1) - time.monotonic()))
        _kill_postgres()
    connection.close()


def _kill_postgres() -> None:
    """SIGKILL to the server's mother process; returns when it takes connections again."""
    with connection.cursor() as cursor:
        cursor.execute("show data_directory")
        folder = Path(cursor.fetchone()[0])
    connection.close()
    number = int((folder / "postmaster.pid").read_text().split()[0])
    psutil.Process(number).kill()
    deadline = time.monotonic() + BACK_SECONDS
    while time.monotonic() < deadline:
        try:
            with connection.cursor() as cursor:
                cursor.execute("select pg_postmaster_start_time() > %s", [timezone.now()])
            return connection.close()
        except OperationalError:
            connection.close()
            time.sleep(0.1)
    raise RuntimeError("PostgreSQL did not come back")
