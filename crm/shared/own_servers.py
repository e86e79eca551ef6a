"""Benchmarks on servers of their own: embedded PostgreSQL and Valkey in a folder that is deleted.

A bench calls itself again with ``--here`` in a process whose environment names none of the
installation's servers, so that nothing of the installation is touched and fsync is as in the demo.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

_OWN_PLACES = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "CHANGKE_MODE", "WECOM_BASE_URL")
_END_SECONDS = 20


def bench_apart(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What ``bench NAME --here ARGUMENTS`` answers on servers made for it and thrown away."""
    with tempfile.TemporaryDirectory(prefix="changke-bench-") as folder:
        return bench_in(folder, name, ["--here", *arguments])


def bench_in(
    folder: str, name: str, arguments: Sequence[str], env: dict[str, str] | None = None
) -> dict[str, Any]:
    """What ``bench NAME ARGUMENTS`` answers on the new servers of ``folder``."""
    command = ["bench", name, "--json", *arguments]
    inner = f"from django.core.management import call_command; call_command(*{command!r})"
    try:
        manage(folder, "migrate", "--verbosity", "0", env=env)
        return json.loads(manage(folder, "shell", "-v0", "-c", inner, env=env).splitlines()[-1])
    finally:
        # The databases of root lie elsewhere, and would stay there when the folder goes.
        wiping = [sys.executable, "-m", "config.embedded", "wipe", str(Path(folder) / "state")]
        subprocess.run(wiping, cwd=settings.BASE_DIR, check=False)


def manage(folder: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What a management command prints, run on the servers that live in ``folder``."""
    kept = {name: value for name, value in os.environ.items() if name not in _OWN_PLACES}
    done = subprocess.run(
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *arguments],
        env=kept | (env or {}) | {"CHANGKE_STATE": str(Path(folder) / "state")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@contextmanager
def running(
    command: Sequence[str], env: dict[str, str] | None = None, *, speaks: bool = False
) -> Iterator[subprocess.Popen]:
    """A process that ends with the block; with ``speaks`` its output can be read."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **(env or {})},
        stdout=subprocess.PIPE if speaks else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
