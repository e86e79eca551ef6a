"""The demo: the whole product as children of one process.

Order: sandbox and servers, migrations, web, its first page, then worker and beat, then data
through the doors of production. Starting everything at once makes two cores serve the first page
twice as late. A child that dies stops everything; so does Ctrl-C; a killed supervisor takes its
children along, and the next start ends what one of them left behind.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from config import addresses, catalogues, embedded
from config.demo_data import Step, steps
from config.processes import Lock, eventually, holder, last_lines, spawn, stop

START_SECONDS = 120
END_SECONDS = 5
LOG_LIMIT = 10_000_000
LOGINS_VARIABLE = "CHANGKE_DEMO_PASSWORD"
PYTHON = sys.executable
CELERY = [PYTHON, "-m", "celery", "-A", "config"]
WORKER = [*CELERY, "worker", "--without-mingle", "--without-gossip", "--loglevel", "INFO"]


class Stopped(Exception):
    """Somebody asked us to end."""


class Broken(Exception):
    """Something we cannot do without failed; says what, with its last log lines."""


@dataclass
class Supervisor:
    """One run of the demo."""

    state: Path
    at: addresses.Addresses
    env: dict[str, str] = field(default_factory=dict)
    children: dict[str, subprocess.Popen] = field(default_factory=dict)
    passing: subprocess.Popen | None = None
    asked_to_stop: bool = False
    started_at: float = field(default_factory=time.monotonic)

    def run(self) -> int:
        """Run until somebody stops us (0) or something breaks (1)."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: setattr(self, "asked_to_stop", True))
        try:
            self.start()
            self.serve()
        except Stopped:
            return 0
        except (Broken, embedded.EmbeddedFailed) as reason:
            say(f"\n{reason}")
            return 1
        finally:
            self.end()
        return 0

    def start(self) -> None:
        """Up to the first page."""
        shorten_logs(self.state)
        no_proxy = ",".join(filter(None, (os.environ.get("no_proxy"), "127.0.0.1", "localhost")))
        self.env = {
            **os.environ,
            **embedded.environment(self.state),
            "WECOM_BASE_URL": self.at.sandbox,
            "SITE_URL": self.at.site,
            "NO_PROXY": no_proxy,  # A machine's proxy cannot reach our sandbox.
            "no_proxy": no_proxy,
        }
        password = self.env.pop(LOGINS_VARIABLE, "")  # Only who sets it needs to know it.
        self.start_sandbox()
        embedded.join(self.state)
        catalogues.compile_all()  # Before the web server reads them.
        self.start_web()  # It imports while the database is brought up to date.
        secret = {LOGINS_VARIABLE: password} if password else {}
        setup = self.finish("setup", [PYTHON, "-m", "config.demo_setup"], answers=secret)
        if setup.returncode:
            raise Broken(f"The database was not set up:\n{last_lines(self.log('setup'))}")
        self.wait_for(lambda: addresses.answers(f"{self.at.site}/accounts/login/"), "web")
        seconds = time.monotonic() - self.started_at
        say(f"\nChangke is at  {self.at.site}/   (first page after {seconds:.0f} s)\n")
        say(setup.stdout.read().decode())  # Shows the password, so it never went into a log.
        say(f"Simulated WeCom {self.at.sandbox}/   logs {self.state / 'logs'}")
        say("Ctrl-C stops everything.\n")

    def serve(self) -> None:
        """Worker and beat, then the data, then watch."""
        self.start_child("worker", [*WORKER, "-n", "worker@%h", "-Q", "celery", "-c", "2"])
        self.start_child("doorbell", [*WORKER, "-n", "doorbell@%h", "-Q", "doorbell", "-c", "1"])
        express = [*WORKER, "-n", "express@%h", "-Q", "express", "-P", "threads", "-c", "8"]
        self.start_child("express", express)
        self.start_child("beat", [*CELERY, "beat", "-s", str(self.state / "beat"), "--pidfile="])
        todo = steps(self.state)
        if todo:
            self.wait_for(lambda: addresses.answers(self.at.wecom_probe), "sandbox")
        for number, step in enumerate(todo, 1):
            self.load(step, f"[{number}/{len(todo)}]")
        while True:
            self.breathe()

    # Children

    def start_sandbox(self) -> None:
        # The folder rather than `manage.py sandbox`: it needs no Django, so it is there at once.
        command = [
            PYTHON,
            "crm/wecom/sandbox",
            f"--port={self.at.sandbox_port}",
            f"--store={self.state / 'sandbox'}",
            f"--callback-url={self.at.site}/wecom/callback/",
            f"--corp-id={self.env['WECOM_CORP_ID']}",
            f"--agent-id={self.env['WECOM_AGENT_ID']}",
            f"--secret={self.env['WECOM_SECRET']}",
            f"--archive-secret={self.env['WECOM_ARCHIVE_SECRET']}",
            "--agreeing=0.4",
            f"--token={self.env['WECOM_CALLBACK_TOKEN']}",
            f"--aes-key={self.env['WECOM_CALLBACK_AES_KEY']}",
            *shlex.split(self.env.get("SANDBOX_OPTIONS", "")),
        ]
        self.start_child("sandbox", command)

    def start_web(self) -> None:
        command = [PYTHON, "-m", "granian", "--interface", "wsgi", "--no-ws"]
        command += ["--host", self.at.host, "--port", str(self.at.port)]
        command += ["--workers", "2", "--blocking-threads", "16", "--respawn-failed-workers"]
        self.start_child("web", [*command, "config.wsgi:application"])

    def start_child(
        self, name: str, command: list[str], *, answers: dict[str, str] | None = None
    ) -> None:
        """Start a child. With `answers`, that is its further environment, and it is listened to."""
        self.children[name] = spawn(
            command,
            log=self.log(name),
            env=self.env | (answers or {}),
            cwd=embedded.ROOT,
            # A worker's TERM waits for its tasks and its QUIT for a broker that goes as well.
            orphaned=signal.SIGKILL if command[: len(WORKER)] == WORKER else signal.SIGTERM,
            answers=answers is not None,
        )
        addresses.write_down(self.state, self.at, self.children)

    def finish(
        self, name: str, command: list[str], *, answers: dict[str, str] | None = None
    ) -> subprocess.Popen:
        """Run a command to its end before going on."""
        self.start_child(name, command, answers=answers)
        self.passing = self.children.pop(name)  # Its end is no death to report.
        while self.passing.poll() is None:
            self.breathe()
        return self.passing

    def load(self, step: Step, place: str) -> None:
        """One step of the demo's data, told in a line or two; it gives way to pages."""
        say(f"{place} {step.says} …")
        began, name = time.monotonic(), f"load-{step.name}"
        if self.finish(name, ["nice", "-n", "10", *manage(*step.arguments)]).returncode:
            say(f"{place} failed; the next start tries again:\n{last_lines(self.log(name))}")
            return
        step.mark_done()
        say(f"{place} done in {time.monotonic() - began:.0f} s. {last_lines(self.log(name), 1)}")

    # Watching

    def wait_for(self, check: Callable[[], object], name: str) -> None:
        """Breathe until `check` holds; `name` is whom to blame when it does not."""
        deadline = time.monotonic() + START_SECONDS
        while not check():
            self.breathe()
            if time.monotonic() > deadline:
                raise Broken(f"{name} does not answer:\n{last_lines(self.log(name))}")

    def breathe(self) -> None:
        """A short pause in which we notice that we should stop, or that somebody died."""
        time.sleep(0.1)
        if self.asked_to_stop:
            raise Stopped
        for name, child in self.children.items():
            if child.poll() is not None:
                raise Broken(f"{name} stopped by itself:\n{last_lines(self.log(name))}")
        if embedded.is_joined(self.state) and not embedded.servers_are_up(self.state):
            raise Broken(f"The database servers stopped:\n{last_lines(self.log('keeper'))}")

    def log(self, name: str) -> Path:
        return self.state / "logs" / f"{name}.log"

    def end(self) -> None:
        """Everything goes within ten seconds: first who uses the servers, then the servers."""
        say("Stopping.")
        deadline = time.monotonic() + 9
        stop(filter(None, (self.passing, *self.children.values())), within=END_SECONDS)
        embedded.leave(self.state)
        embedded.hurry(self.state)
        keeper = self.state / "keeper.lock"
        if not eventually(lambda: holder(keeper) is None, deadline - time.monotonic()):
            say("The database servers go on: another command still uses them.")


def manage(*arguments: str) -> list[str]:
    return [PYTHON, "manage.py", *arguments]


def say(text: str) -> None:
    """Tell the person at the terminal, who may have closed it."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def shorten_logs(state: Path) -> None:
    """Put a log that has grown long aside, replacing the one before."""
    embedded.prepare(state)
    for log in (state / "logs").glob("*.log"):
        if log.stat().st_size > LOG_LIMIT:
            log.rename(log.with_suffix(".log.1"))


def reset(state: Path) -> int:
    """Forget the demo's data."""
    try:
        embedded.wipe(state)
    except embedded.EmbeddedFailed as reason:
        say(str(reason))
        return 1
    say("The demo's data are gone; the next `make demo` starts over.")
    return 0


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--reset"]):
        say("usage: bin/demo [--reset]")
        return 2
    state = embedded.state_folder()
    embedded.prepare(state)
    lock = Lock(state / "demo.lock")
    if not lock.take():
        site = embedded.running_demo(state).get("site", "still starting")
        say(f"Changke is already running: {site}  (process {holder(lock.path)})")
        if arguments:
            say("Stop it before resetting its data.")
        return 1
    lock.sign()
    embedded.end_demo(state)
    if arguments:
        return reset(state)
    try:
        at = addresses.choose(os.environ, say)
    except addresses.NoAddress as reason:
        say(str(reason))
        return 2
    return Supervisor(state, at).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
