"""Processes that are there at once: asked of a mother that has loaded everything already."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from config.processes import last_lines
from tests.sandbox_fixture import ROOT

BELL = 7_302_099  # Whoever holds this lock alone keeps the others waiting.


class Nursery:
    """The mother process, and children of hers that work on the test's database."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log, self.values = log, {}
        with log.open("ab") as output:
            self._mother = subprocess.Popen(
                [sys.executable, "-m", "tests.crm.matrix.born"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        self._read()

    def start(self, job: str, *, kill_at: str = "", guard_off: str = "", **arguments: Any) -> int:
        """A child that does one job; returns its process id."""
        # Our own limit of calls counts real minutes, and tests let hours pass in one.
        off = f"wecom.frequency,{guard_off}"
        environment = {"CHANGKE_KILL_AT": kill_at, "CHANGKE_GUARD_OFF": off}
        return self._ask(
            job=job, arguments=arguments, environment=environment, settings=self.values
        )["pid"]

    def wait(self, pid: int) -> int:
        """The end of a child: 0, its exit code, or the negative number of a signal."""
        return self._ask(wait=pid)["status"]

    def run(self, job: str, **how: Any) -> None:
        """Do one job to its end."""
        status = self.wait(self.start(job, **how))
        assert status == 0, f"{job} ended with {status}\n{last_lines(self.log, 12)}"

    def killed(self, job: str, point: str, **how: Any) -> None:
        """Do one job up to the point at which it is killed, and see that it was."""
        status = self.wait(self.start(job, kill_at=point, **how))
        assert status == -signal.SIGKILL, f"{job} never came to {point}: {status}"

    def close(self) -> None:
        self._mother.stdin.close()
        self._mother.wait(timeout=20)

    def _ask(self, **asked: Any) -> dict[str, Any]:
        self._mother.stdin.write(json.dumps(asked, default=str) + "\n")
        self._mother.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._mother.stdout.readline()
        assert line, f"the mother of all processes is gone\n{last_lines(self.log, 12)}"
        return json.loads(line)
