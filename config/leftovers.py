"""What a killed demo left running: it holds ports and files that the next start wants."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from config.processes import eventually


def end_sessions(leaders: set[int], state: Path) -> None:
    """End every process of these sessions that works on the state folder, leaders or not."""
    for number, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
        for process in _members(leaders, state):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if eventually(lambda: not any(_members(leaders, state)), seconds):
            return


def _members(leaders: set[int], state: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            # A number may have been given away again; what it works on tells.
            if (
                os.getsid(process.pid) in leaders
                and process.status() != psutil.STATUS_ZOMBIE
                and process.environ().get("CHANGKE_STATE") == str(state)
            ):
                yield process
