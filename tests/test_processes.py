"""Real processes: who starts whom, who notices a death, and what is left afterwards."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest

from config import addresses, embedded
from config.demo_data import steps
from config.processes import Lock, holder
from tests.waiting import eventually

SMALL_WORLD = "--agents 6 --customers 40 --groups 4 --days 10 --no-life"
USER = """
import sys
from pathlib import Path
from config import embedded
print(embedded.join(Path(sys.argv[1]))["DATABASE_URL"], flush=True)
sys.stdin.read()
"""


def running(state: Path) -> list[str]:
    """Every process of a state folder: its servers, and whatever has it in its environment."""
    marks = (str(state), str(embedded.socket_folder(state)))
    found = []
    for process in psutil.process_iter(["cmdline", "status", "environ"]):
        command = " ".join(process.info["cmdline"] or [])
        told = (process.info["environ"] or {}).get("CHANGKE_STATE") == str(state)
        ours = told or any(mark in command for mark in marks)
        if ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(command)
    return found


def nothing_runs(state: Path) -> bool:
    assert running(state) == []
    return True


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A state folder outside the tests' own."""
    folder = Path(tempfile.mkdtemp(prefix="changke-state-")).resolve()
    yield folder
    embedded.wipe(folder)
    shutil.rmtree(folder)


# The embedded servers


class User:
    """A process that uses the servers of a state folder."""

    def __init__(self, state: Path):
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(state)],
            cwd=embedded.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.database = self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def count_notes(database: str) -> int:
    """Add a row to a table of ours and say how many there are."""
    with psycopg.connect(database) as connection:
        connection.execute("create table if not exists note (at timestamptz default now())")
        connection.execute("insert into note default values")
        return connection.execute("select count(*) from note").fetchone()[0]


def test_servers_are_shared_and_end_with_their_last_user(place):
    first, second = User(place), User(place)
    assert first.database == second.database
    first.leave()
    before = count_notes(second.database)
    second.kill()
    eventually(lambda: nothing_runs(place), 10)
    third = User(place)
    assert count_notes(third.database) == before + 1
    third.leave()


def test_a_killed_keeper_takes_the_servers_along_and_blocks_nobody(place):
    user = User(place)
    before = count_notes(user.database)
    os.kill(holder(place / "keeper.lock"), signal.SIGKILL)
    user.kill()
    next_user = User(place)
    assert count_notes(next_user.database) == before + 1
    next_user.leave()


@pytest.mark.parametrize("name", ["postgres", "valkey-server"])
def test_a_server_that_is_killed_comes_back_with_what_it_had_promised(place, name):
    user = User(place)
    before = count_notes(user.database)
    kill_server(place, name)
    eventually(lambda: the_server(place, name) and answers(user.database), 30)
    assert count_notes(user.database) == before + 1
    user.leave()


def the_server(state: Path, name: str) -> psutil.Process | None:
    """The server's mother process."""
    marks = (str(embedded.data_folder(state) / "postgres"), str(embedded.socket_folder(state)))
    for process in psutil.process_iter(["name", "cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if process.info["name"] == name and alive and any(mark in command for mark in marks):
            return process
    return None


def kill_server(state: Path, name: str) -> None:
    server = the_server(state, name)
    server.kill()
    eventually(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, 10)


def answers(database: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(database):
        return True
    return False


def test_a_server_that_dies_again_and_again_is_given_up(place):
    user = User(place)
    while not nobody_keeps(place):
        kill_server(place, "valkey-server")
        eventually(lambda: the_server(place, "valkey-server") or nobody_keeps(place), 30)
    assert "again and again" in (place / "logs" / "keeper.log").read_text()
    user.leave()


def nobody_keeps(state: Path) -> bool:
    return holder(state / "keeper.lock") is None


def test_a_lost_power_supply_blocks_nobody(place):
    """Everything is killed at once, the note of PostgreSQL's process id stays behind."""
    user = User(place)
    before = count_notes(user.database)
    os.kill(holder(place / "keeper.lock"), signal.SIGSTOP)
    for process in psutil.process_iter(["name", "cmdline"]):
        if str(embedded.data_folder(place) / "postgres") in (process.info["cmdline"] or []):
            process.kill()
    os.kill(holder(place / "keeper.lock"), signal.SIGKILL)
    user.kill()
    assert (embedded.data_folder(place) / "postgres" / "postmaster.pid").exists()
    next_user = User(place)
    assert count_notes(next_user.database) == before + 1
    next_user.leave()


def test_a_folder_made_anew_starts_empty():
    folder = Path(tempfile.mkdtemp(prefix="changke-state-")).resolve()
    places: list[Path] = []
    for _ in range(2):
        assert count_notes(embedded.join(folder)["DATABASE_URL"]) == 1
        embedded.leave(folder)
        places.append(embedded.data_folder(folder))
        embedded.hurry(folder)
        eventually(lambda: nothing_runs(folder), 10)
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
    for leftover in (folder, *places):
        shutil.rmtree(leftover, ignore_errors=True)


def test_data_in_use_are_not_wiped(place):
    database = embedded.join(place)["DATABASE_URL"]
    with pytest.raises(embedded.EmbeddedFailed, match="still uses"):
        embedded.wipe(place, wait=0.5)
    assert count_notes(database)
    embedded.leave(place)


def test_secrets_are_made_once_and_private(place):
    first = embedded.environment(place)
    assert first["SECRET_KEY"] == embedded.environment(place)["SECRET_KEY"]
    assert re.fullmatch(r"[0-9A-Za-z]{43}", first["WECOM_CALLBACK_AES_KEY"])
    assert (place / "secrets.json").stat().st_mode & 0o077 == 0
    assert place.stat().st_mode & 0o077 == 0


def test_help_starts_no_servers(tmp_path):
    quiet = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--help"],
        cwd=embedded.ROOT,
        env=quiet | {"CHANGKE_STATE": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    assert holder(tmp_path / "keeper.lock") is None


def test_a_command_on_a_new_database_finds_its_tables(place):
    quiet = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    answer = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", "print(User.objects.count())"],
        cwd=embedded.ROOT,
        env=quiet | {"CHANGKE_STATE": str(place)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert answer.stdout.strip() == "0"


def test_a_lock_is_free_again_when_its_holder_is_gone(tmp_path):
    lock, other = Lock(tmp_path / "a.lock"), Lock(tmp_path / "a.lock")
    assert lock.take()
    lock.sign()
    assert not other.take()
    assert holder(lock.path) == os.getpid()
    lock.close()
    assert other.take()


# Ports


def test_a_taken_port_is_replaced_and_said_so():
    said: list[str] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        at = addresses.choose({"PORT": str(port)}, said.append)
    assert at.port > port
    assert said == [f"Port {port} is taken; using {at.port}."]
    assert at.site == f"http://127.0.0.1:{at.port}"


@pytest.mark.parametrize("port", ["abc", "0", "-1", "70000", "80.5"])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(addresses.NoAddress, match="PORT must be a port number"):
        addresses.choose({"PORT": port}, print)


def test_a_host_that_is_none_is_refused():
    with pytest.raises(addresses.NoAddress, match="no address of this machine"):
        addresses.choose({"HOST": "no such host"}, print)


# The demo


class Demo:
    """One start of the demo, with what it said."""

    def __init__(self, state: Path, *, port: int):
        self.state = state
        self.said = state / f"said-{time.monotonic_ns()}"
        env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        env |= {"CHANGKE_STATE": str(state), "PORT": str(port), "SANDBOX_OPTIONS": SMALL_WORLD}
        env |= {"CHANGKE_DEMO_PASSWORD": "correct horse battery"}
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.supervisor"],
                cwd=embedded.ROOT,
                env=env,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def text(self) -> str:
        return self.said.read_text()

    def wait_for(self, text: str, timeout: float = 90) -> None:
        def is_said() -> bool:
            assert self.process.poll() is None or text in self.text(), self.text()
            return text in self.text()

        eventually(is_said, timeout)

    def site(self) -> str:
        self.wait_for("Ctrl-C stops everything")
        return re.search(r"http://127\.0\.0\.1:\d+", self.text()).group()

    def pid_of(self, name: str) -> int:
        return json.loads((self.state / "demo.json").read_text())["children"][name]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


@pytest.fixture
def start_demo(place) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(*, port: int) -> Demo:
        started.append(Demo(place, port=port))
        return started[-1]

    yield start
    for demo in started:
        demo.process.kill()
        demo.process.wait()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_one_command_runs_everything_and_ctrl_c_ends_it(place, start_demo):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        demo = start_demo(port=port)
        site = demo.site()
    assert f"Port {port} is taken; using" in demo.text()
    assert "operator" in demo.text()
    assert get(f"{site}/accounts/login/")[0] == 200
    assert get(f"{site}/healthz") == (200, '{"ok": true}')
    eventually(lambda: get(f"{site}/readyz")[0] == 200, 60)

    second = start_demo(port=port)
    assert second.process.wait(10) == 1
    assert f"already running: {site}" in second.text()

    assert demo.stop() == 0
    nothing_runs(place)


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_works(place, start_demo):
    demo = start_demo(port=8400)
    demo.site()
    demo.process.kill()
    demo.process.wait()
    eventually(lambda: nothing_runs(place), 10)

    again = start_demo(port=8400)
    again.wait_for("[1/")
    os.kill(again.pid_of("doorbell"), signal.SIGKILL)
    assert again.process.wait(15) == 1
    assert "doorbell stopped by itself" in again.text()
    nothing_runs(place)


def test_a_past_without_a_file_has_no_step_for_it(tmp_path):
    names = {step.name for step in steps(tmp_path)}
    assert {"customers", "members"} <= names
    files = tmp_path / "sandbox" / "files"
    files.mkdir(parents=True)
    (files / "customers.csv").touch()
    (files / "orders.csv").touch()
    names = {step.name for step in steps(tmp_path)}
    assert {"customers", "orders"} <= names and "members" not in names
