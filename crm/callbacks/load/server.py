"""The production web server on a free port, with one more address: the empty view."""

import os
import socket
import subprocess
import sys
import time

import psutil
from django.conf import settings

from crm.callbacks.load.traffic import EMPTY


class Server:
    """A running granian; as a context it ends with its block.

    ``site`` is the WSGI application; ``probe`` an address that answers 200 once it is up.
    """

    def __init__(
        self, site: str = "crm.callbacks.load.site:application", probe: str = EMPTY
    ) -> None:
        self.port, self.site, self.probe = _free_port(), site, probe

    def __enter__(self) -> "Server":
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "2", "--blocking-threads", "16"]
        self.process = subprocess.Popen(
            [*command, self.site],
            cwd=settings.BASE_DIR,
            env=os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("the web server did not start")
            time.sleep(0.05)
        self._spent = self._cpu()
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)

    def cpu_since(self) -> float:
        """CPU seconds of all its processes since the last call."""
        before, self._spent = self._spent, self._cpu()
        return self._spent - before

    def _cpu(self) -> float:
        mother = psutil.Process(self.process.pid)
        times = [one.cpu_times() for one in (mother, *mother.children(recursive=True))]
        return sum(time.user + time.system for time in times)

    def _answers(self) -> bool:
        request = f"GET {self.probe} HTTP/1.0\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
                line.sendall(request)
                return b" 200 " in line.recv(64)
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
