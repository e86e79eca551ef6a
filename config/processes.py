"""Child processes that cannot outlive us, and locks that a dead process cannot keep.

Shared by the keeper of the embedded servers and by the supervisor of the demo; standard library
only, because both must start at once and stay small.
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Lock:
    """An advisory lock on a file: the kernel drops it when its last holder is gone."""

    def __init__(self, path: Path):
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, *, shared: bool = False, wait: float = 0) -> bool:
        """Take the lock within `wait` seconds; False when somebody else keeps it."""
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        return eventually(lambda: self._try(mode), wait, pause=0.02)

    def _try(self, mode: int) -> bool:
        try:
            fcntl.flock(self._file, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def sign(self) -> None:
        """Leave our process id in the file, for those who find the lock taken."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def is_in_place(self) -> bool:
        """Whether the file that we lock is still the one that others would find."""
        return self.path.exists() and os.path.samestat(os.stat(self.path), os.fstat(self._file))

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._file)


def holder(path: Path) -> int | None:
    """The process that holds a signed exclusive lock: its id, 0 when unsigned, None when free."""
    if not path.exists():
        return None
    lock = Lock(path)
    try:
        if lock.take(shared=True):
            return None
        text = path.read_text().strip()
        return int(text) if text.isdigit() else 0
    finally:
        lock.close()


def eventually(check: Callable[[], object], seconds: float, *, pause: float = 0.05) -> bool:
    """Whether `check` comes true within `seconds`; it is asked at least once."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
    return True


def end_with(parent: int, *, by: signal.Signals) -> None:
    """Have the kernel send us the signal `by` when our parent process dies."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(by))
        if os.getppid() != parent:  # It died before the tie was made.
            os._exit(1)


def spawn(
    command: list[str],
    *,
    log: Path,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    account: tuple[int, int] | None = None,
    orphaned: signal.Signals = signal.SIGTERM,
    answers: bool = False,
) -> subprocess.Popen:
    """Start a child in a session of its own that gets the signal `orphaned` when we die.

    The session keeps a terminal's Ctrl-C from it: whoever started it decides the order of the end.
    `account` is the (user, group) to run as. What a child prints that `answers` is read from its
    `stdout` instead of being logged; it must be short.
    """
    parent = os.getpid()

    def tie_to_parent() -> None:
        end_with(parent, by=orphaned)

    user, group = account or (None, None)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if answers else output,
            stderr=output,
            env=env,
            cwd=cwd,
            user=user,
            group=group,
            extra_groups=[] if account else None,
            start_new_session=True,
            preexec_fn=tie_to_parent,
        )


def stop(
    processes: Iterable[subprocess.Popen],
    *,
    by: signal.Signals = signal.SIGTERM,
    within: float = 6,
) -> None:
    """Ask all at once, wait together, then kill the whole session of whoever is left."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.send_signal(by)
    eventually(lambda: all(process.poll() is not None for process in running), within)
    for process in running:
        kill_session(process)


def kill_session(process: subprocess.Popen) -> None:
    """End what a child left behind in its session, and the child, without asking."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for the person who reads why something stopped."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 8_192))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-count:])
