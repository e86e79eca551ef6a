"""Celery workers as processes, started and ended as the product's own supervisor does it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from config.processes import stop
from tests.sandbox_fixture import ROOT

END_SECONDS = 30


@contextmanager
def celery_worker(environment: dict[str, str], *options: str) -> Iterator[subprocess.Popen]:
    """A worker for the block. It is asked to end, and killed with its session if it does not.

    A killed worker loses nothing: that has tests of its own, so its end is not what a test of its
    work should depend on.
    """
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--without-gossip"]
    process = subprocess.Popen(
        [*command, "-l", "WARNING", *options],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        stop([process], within=END_SECONDS)
