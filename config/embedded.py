"""The embedded servers of a state folder: who may use them, who keeps them, when they end.

A *keeper* (`python -m config.embedded keep STATE`) owns PostgreSQL and Valkey of one state folder.
Everybody who uses them holds a shared lock on `users.lock`; the keeper tries now and then to take
it exclusively, and when it could for a while, nobody is left and it stops both servers. Locks die
with their process, so no kill, however unkind, leaves anything to tidy up.
"""

import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from config.leftovers import end_sessions
from config.processes import Lock, holder, last_lines
from config.servers import DATABASE, OWNER, ROOTS_PLACE, Postgres, ServerFailed, Valkey, account

ROOT = Path(__file__).resolve().parent.parent
IDLE_SECONDS = 2.0
REVIVALS_IN_A_ROW = 5  # So often within a minute a server that dies is started again.
START_SECONDS = 60
SOCKET_PATH_LIMIT = 85  # The kernel takes 107 bytes; "/pg/.s.PGSQL.5432" is added to the folder.

_memberships: dict[Path, Lock] = {}


class EmbeddedFailed(Exception):
    """The embedded servers could not be started or joined; says why."""


def state_folder() -> Path:
    """The state folder in force: `CHANGKE_STATE`, else the demo's."""
    return Path(os.environ.get("CHANGKE_STATE") or ROOT / "var" / "demo").resolve()


def environment(state: Path) -> dict[str, str]:
    """What a process of this state folder needs in its environment. Starts nothing."""
    prepare(state)
    sockets = socket_folder(state)
    valkey = quote(str(sockets / "valkey.sock"))
    return {
        **secrets_of(state),
        "CHANGKE_MODE": "local",
        "CHANGKE_STATE": str(state),
        "STATIC_ROOT": str(state / "static"),  # Stays empty: files are served where they are.
        "DATABASE_URL": f"postgres://{OWNER}@/{DATABASE}?host={quote(str(sockets / 'pg'))}",
        "CELERY_BROKER_URL": f"redis+socket://{valkey}?virtual_host=0",
        "CACHE_URL": f"unix://{valkey}?db=1",
        "NUMBA_CACHE_DIR": str(state / "numba"),
        "WECOM_BASE_URL": running_demo(state).get("sandbox", "http://127.0.0.1:8300"),
        "WECOM_ARCHIVE": "sandbox",
        "WECOM_ARCHIVE_SECRET": "sandbox-archive-secret",  # Of a sandbox on loopback.
    }


def join(state: Path | None = None, *, throwaway: bool = False) -> dict[str, str]:
    """Use the servers of a state folder until this process ends; start them if nobody did.

    `throwaway` servers are quick, forget everything when their last user leaves, and keep their
    data apart from lasting ones.
    """
    state = (state or state_folder()).resolve()
    values = environment(state)
    if state not in _memberships:
        membership = Lock(state / "users.lock")
        if not membership.take(shared=True, wait=START_SECONDS):
            raise EmbeddedFailed(f"The servers of {state} do not finish stopping.")
        _memberships[state] = membership
    _await_keeper(state, throwaway)
    return values


def leave(state: Path) -> None:
    """Stop using the servers before this process ends."""
    if membership := _memberships.pop(state.resolve(), None):
        membership.close()


def is_joined(state: Path) -> bool:
    return state.resolve() in _memberships


def servers_are_up(state: Path) -> bool:
    return holder(state / "ready.lock") is not None


def hurry(state: Path) -> None:
    """Tell the keeper not to linger once its last user has left."""
    if keeper := holder(state / "keeper.lock"):
        with suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGHUP)


def wipe(state: Path, *, wait: float = 10) -> None:
    """Forget everything in a state folder, once its servers have stopped for want of users."""
    if not state.exists():
        return
    hurry(state)
    keeper, users = Lock(state / "keeper.lock"), Lock(state / "users.lock")
    try:
        if not (keeper.take(wait=wait) and users.take(wait=1)):
            raise EmbeddedFailed(f"Some process still uses the servers of {state}.")
        if account() is not None:
            shutil.rmtree(data_folder(state))
        shutil.rmtree(socket_folder(state), ignore_errors=True)
        for entry in state.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.suffix != ".lock":
                entry.unlink()
    finally:
        keeper.close()
        users.close()


# Places


def prepare(state: Path) -> None:
    for folder in (state, state / "logs", state / "static"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def data_folder(state: Path) -> Path:
    """Where the databases lie. Root's lie where `nobody` may go, which a home may forbid."""
    if account() is None:
        return state
    # A link with a name of its own, so that a folder made anew does not inherit old data.
    link = state / "databases"
    if not link.is_symlink():
        link.symlink_to(ROOTS_PLACE / f"{_digest(state)}-{secrets.token_hex(4)}")
    folder = link.readlink()
    for place, mode in ((ROOTS_PLACE, 0o755), (folder, 0o711)):
        place.mkdir(exist_ok=True, parents=True)
        place.chmod(mode)
    return folder


def socket_folder(state: Path) -> Path:
    """A short private folder for sockets. Named by the state, so that two never share one."""
    name = f"changke-{os.geteuid()}-{_digest(state)}"
    note = state / "sockets"
    with suppress(FileNotFoundError):
        noted = Path(note.read_text())
        if noted.name == name:  # Written by whoever came first; TMPDIR may differ between us.
            return noted
    folder = Path(tempfile.gettempdir(), name)
    if len(str(folder)) > SOCKET_PATH_LIMIT:
        folder = Path("/", "tmp", name)
    note.unlink(missing_ok=True)
    _write_once(note, str(folder))
    return Path(note.read_text())


def _make_private(folder: Path) -> None:
    # Root's PostgreSQL runs as nobody, who must be able to pass to his own folder inside.
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise EmbeddedFailed(f"{folder} belongs to somebody else; remove it and start again.")
    folder.chmod(0o700 if account() is None else 0o711)


def _digest(state: Path) -> str:
    return hashlib.sha256(str(state).encode()).hexdigest()[:12]


def _write_once(path: Path, text: str) -> None:
    """Create a private file whole; whoever comes second keeps the first one's text."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def secrets_of(state: Path) -> dict[str, str]:
    """This state's own keys, made once, readable by their owner only."""
    path = state / "secrets.json"
    if not path.exists():
        made = {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "WECOM_CORP_ID": f"ww{secrets.token_hex(8)}",
            "WECOM_AGENT_ID": "1000002",
            "WECOM_SECRET": secrets.token_urlsafe(32),
            "WECOM_CALLBACK_TOKEN": secrets.token_hex(16),
            "WECOM_CALLBACK_AES_KEY": _aes_key(),
        }
        _write_once(path, json.dumps(made))
    return json.loads(path.read_text())


def _aes_key() -> str:
    """32 random bytes as WeCom shows them: 43 letters and digits."""
    while True:
        key = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        if key.isalnum():
            return key


def running_demo(state: Path) -> dict:
    """Addresses that the demo wrote down at its last start."""
    with suppress(FileNotFoundError, ValueError):
        return json.loads((state / "demo.json").read_text())
    return {}


def end_demo(state: Path) -> None:
    """End what is left of a demo whose supervisor is gone."""
    if children := running_demo(state).get("children"):
        end_sessions(set(children.values()), state)


# The keeper


def _await_keeper(state: Path, throwaway: bool) -> None:
    started: subprocess.Popen | None = None
    deadline = time.monotonic() + START_SECONDS
    while not servers_are_up(state):
        if started is not None and started.poll():
            raise EmbeddedFailed(last_lines(state / "logs" / "keeper.log"))
        if time.monotonic() > deadline:
            raise EmbeddedFailed(f"The servers of {state} did not start in time.")
        absent = holder(state / "keeper.lock") is None
        if absent and (started is None or started.poll() is not None):
            started = _start_keeper(state, throwaway)
        time.sleep(0.03)


def _start_keeper(state: Path, throwaway: bool) -> subprocess.Popen:
    command = [sys.executable, "-m", "config.embedded", "keep", str(state)]
    with (state / "logs" / "keeper.log").open("ab") as log:
        return subprocess.Popen(
            command + ["--throwaway"] * throwaway,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class Keeper:
    """Starts both servers and whichever of them dies, and stops them when nobody uses them."""

    def __init__(self, state: Path, *, throwaway: bool):
        self.state, self.throwaway = state, throwaway
        self.asked_to_stop = self.in_a_hurry = False
        self.users, self.ready = Lock(state / "users.lock"), Lock(state / "ready.lock")
        self.revived_at: list[float] = []
        self.sockets, logs = socket_folder(state), state / "logs"
        self.scratch = "-throwaway" if throwaway else ""
        self.postgres = Postgres(
            data_folder(state) / f"postgres{self.scratch}",
            self.sockets / "pg",
            logs / "postgres.log",
            durable=not throwaway,
        )
        self.valkey = Valkey(
            state / f"valkey{self.scratch}",
            self.sockets / "valkey.sock",
            logs / "valkey.log",
            durable=not throwaway,
        )

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "asked_to_stop", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "in_a_hurry", True))
        try:
            self.start()
            self.ready.take(wait=5)
            self.watch()
        except (ServerFailed, EmbeddedFailed) as failure:
            print(failure, flush=True)
            return 1
        finally:
            self.ready.release()
            self.valkey.stop()
            self.postgres.stop()
            self.forget_throwaway()
            if self.users.is_in_place():  # Else the folder was made anew, and so were its sockets.
                shutil.rmtree(self.sockets, ignore_errors=True)
        return 0

    def start(self) -> None:
        self.forget_throwaway()
        _make_private(self.sockets)
        servers = (self.postgres, self.valkey)
        for server in servers:
            server.start()
        for server in servers:
            server.wait()

    def watch(self) -> None:
        """Return when nobody uses the servers, or when told to."""
        lonely_since = None
        while not self.asked_to_stop:
            for server in (self.postgres, self.valkey):
                if server.process.poll() is not None:
                    self.revive(server)
            if not self.users.take():
                lonely_since = None
            else:
                lonely_since = lonely_since or time.monotonic()
                patience = 0 if self.in_a_hurry else IDLE_SECONDS
                if time.monotonic() - lonely_since >= patience:
                    end_demo(self.state)
                    return  # Keeping the lock: who comes now waits until we are gone.
                self.users.release()
            time.sleep(0.1)

    def revive(self, server: Postgres | Valkey) -> None:
        """Start a server that died by itself, unless it keeps dying."""
        now = time.monotonic()
        self.revived_at = [at for at in self.revived_at if now - at < 60] + [now]
        if len(self.revived_at) > REVIVALS_IN_A_ROW:
            raise ServerFailed(f"A server dies again and again.\n{last_lines(server.log)}")
        print(f"{server.log.stem} stopped by itself and is started again", flush=True)
        while True:
            server.start()
            try:
                return server.wait()
            except ServerFailed:
                # Sessions of the dead one hold its memory until they notice.
                if self.asked_to_stop or time.monotonic() - now > START_SECONDS:
                    raise
                time.sleep(0.2)

    def forget_throwaway(self) -> None:
        if self.throwaway:
            shutil.rmtree(self.postgres.data, ignore_errors=True)
            shutil.rmtree(self.valkey.data, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """`keep STATE [--throwaway]`, `wipe STATE`, or `url` to print this state's database address."""
    if arguments[:1] == ["keep"] and len(arguments) > 1:
        state = Path(arguments[1])
        lock = Lock(state / "keeper.lock")
        if not lock.take():
            return 0  # Another keeper was quicker.
        lock.sign()
        return Keeper(state, throwaway="--throwaway" in arguments).run()
    if arguments == ["url"]:
        print(environment(state_folder())["DATABASE_URL"])
        return 0
    if arguments[:1] == ["wipe"] and len(arguments) == 2:
        wipe(Path(arguments[1]).resolve(), wait=60)
        return 0
    usage = "usage: python -m config.embedded (keep STATE [--throwaway] | wipe STATE | url)"
    print(usage, file=sys.stderr)
    return 2


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
