"""From a new friend's callback to their welcome, while people keep coming.

The sandbox, the production web server, and workers as the demo runs them (express, doorbell) with
PostgreSQL and Valkey of their own. People come at an even pace; each carries a code. A welcome's
time is from the act, when WeCom sends its callback, to the effect in the sandbox's ledger.

The rival sends each welcome as soon as it hears of the code, without callback, database or queue:
what remains is the way to WeCom and the sandbox itself.
"""

import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from crm import wecom
from crm.acquisition.actions import WelcomeRule, save_welcome
from crm.shared.own_servers import bench_apart, running
from crm.wecom.hand import SandboxHand

NAME = "welcome"
HELP = "seconds from the callback of a new friend to the welcome"
METHOD = "externalcontact/send_welcome_msg"
WARM_SECONDS, GRACE_SECONDS, START_SECONDS = 4, 25, 90
_CELERY = ["-m", "celery", "-A", "config", "worker", "--without-mingle", "--without-gossip"]
WORKERS = (
    [*_CELERY, "-n", "express@bench", "-Q", "express", "-P", "threads", "-c", "8"],
    [*_CELERY, "-n", "doorbell@bench", "-Q", "doorbell", "-c", "1"],
)


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--seconds", type=int, default=60, help="how long people come, default 60")
    parser.add_argument("--per-second", type=float, default=20.0, help="default 20")
    parser.add_argument("--here", action="store_true", help="on the servers in force, not its own")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Measure on servers of our own, made and thrown away."""
    seconds, per_second = options["seconds"], options["per_second"]
    if not options["here"]:
        return bench_apart(NAME, [f"--seconds={seconds}", f"--per-second={per_second}"])
    return _measure(seconds, per_second)


class World(SandboxHand):
    """A sandbox of the bench's own."""

    def come(self) -> str:
        """Somebody adds an agent; the code of their welcome."""
        return self.act("step", kind="add")["WelcomeCode"]

    def spans(self, codes: set[str]) -> list[float]:
        """Seconds from the act to the effect, of those codes that were used."""
        issued = {row["code"]: row["issued_at"] for row in self.look("messages")["welcomes"]}
        used = {row["effect_id"]: row["at"] for row in self.look("ledger", method=METHOD)}
        return sorted(used[code] - issued[code] for code in codes & used.keys())


def _measure(seconds: int, per_second: float) -> dict[str, Any]:
    rule = WelcomeRule("bench", "{customer|bench}", is_default=True)
    save_welcome(rule, by=None, now=timezone.now())
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port=0", "--customers=60", "--agents=6", "--groups=6", "--no-life"]
        options += [f"--store={folder}/sandbox", *_identity()]
        with running(["crm/wecom/sandbox", *options], speaks=True) as process:
            world = World(process.stdout.readline().split()[1].rstrip("/"))
            settings.WECOM_BASE_URL = world.url
            bare = _bare(world, min(seconds, 20), per_second)
            ours = _ours(world, seconds, per_second)
    scale = {"seconds": seconds, "per_second": per_second, "load": os.getloadavg()[0]}
    return {
        "scale": scale,
        "measured": ours,
        "rivals": {"sent_at_once": bare},
        "ratios": {"p99_over_at_once": round(ours["p99_s"] / bare["p99_s"], 1)},
        "goals": {"p99_s": "< 3", "lost": 0, "doubled": 0},
    }


def _identity() -> list[str]:
    return [
        f"--corp-id={settings.WECOM_CORP_ID}",
        f"--agent-id={settings.WECOM_AGENT_ID}",
        f"--secret={settings.WECOM_SECRET}",
        f"--token={settings.WECOM_CALLBACK_TOKEN}",
        f"--aes-key={settings.WECOM_CALLBACK_AES_KEY}",
    ]


def _bare(world: World, seconds: int, per_second: float) -> dict[str, float]:
    """Whoever hears of a code sends the welcome itself."""

    def come() -> str:
        code = world.come()
        wecom.client().send_welcome(code=code, text="bench")
        return code

    logging.getLogger("crm.wecom").setLevel(logging.WARNING)
    come()  # Fetches the token.
    return _figures(world.spans(set(_people(come, seconds, per_second))))


def _ours(world: World, seconds: int, per_second: float) -> dict[str, Any]:
    port = _free_port()
    env = {"WECOM_BASE_URL": world.url, "WECOM_ARCHIVE": ""}
    web = ["-m", "granian", "--interface", "wsgi", "--no-ws", "--host", "127.0.0.1"]
    web += [f"--port={port}", "--workers=2", "--blocking-threads=4", "config.wsgi:application"]
    with running(web, env), running(WORKERS[0], env) as express, running(WORKERS[1], env):
        address = f"http://127.0.0.1:{port}/wecom/callback/"
        _until(lambda: world.act("callback", url=address)["verified"], "the web server")
        _until(lambda: _greets(world), "the workers")
        _people(world.come, WARM_SECONDS, per_second)
        spent = _cpu_s(express.pid)
        codes = set(_people(world.come, seconds, per_second))
        _settled(world, codes)
        spent = _cpu_s(express.pid) - spent
        effects = [row["effect_id"] for row in world.look("ledger", method=METHOD)]
    spans = world.spans(codes)
    lost = len(codes) - len(spans)
    doubled = len(effects) - len(set(effects))
    counted = {"friends": len(codes), "lost": lost, "doubled": doubled}
    return _figures(spans) | counted | {"express_cpu_ms": round(1000 * spent / len(codes), 1)}


def _cpu_s(pid: int) -> float:
    mother = psutil.Process(pid)
    times = [one.cpu_times() for one in (mother, *mother.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def _greets(world: World) -> bool:
    """Whether somebody who comes now is greeted soon."""
    code = world.come()
    time.sleep(1)
    return bool(world.spans({code}))


def _settled(world: World, codes: set[str]) -> None:
    """Until all are greeted, or the last code has run out."""
    deadline = time.monotonic() + GRACE_SECONDS
    while len(world.spans(codes)) < len(codes) and time.monotonic() < deadline:
        time.sleep(0.5)


def _people(come: Callable[[], str], seconds: float, per_second: float) -> list[str]:
    """People come at an even pace, whatever becomes of those before them; their codes."""
    codes: list[str] = []
    begun, threads = time.monotonic(), []
    for number in range(int(seconds * per_second)):
        time.sleep(max(0.0, begun + number / per_second - time.monotonic()))
        threads.append(threading.Thread(target=lambda: codes.append(come())))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return codes


def _until(check: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not check():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not start")
        time.sleep(0.5)


def _figures(spans: list[float]) -> dict[str, Any]:
    named = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}
    shown = {name: round(spans[int(len(spans) * part)], 3) for name, part in named.items()}
    return shown | {"worst_s": round(spans[-1], 3)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
