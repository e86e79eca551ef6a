"""What benches of columns share: clean processes, times, memory, a snapshot out of made-up rows."""

import json
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall and CPU seconds of a call, and what it returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def medians(runs: list[tuple[float, float]]) -> dict[str, float]:
    """Medians of (wall, CPU) seconds."""
    return {
        "wall_s": round(statistics.median(wall for wall, _cpu in runs), 4),
        "cpu_s": round(statistics.median(cpu for _wall, cpu in runs), 4),
    }


def forget_pages(folder: Path) -> None:
    """Let the next read of a folder's files come from disk."""
    os.sync()
    for file in folder.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def peak_mb() -> int:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def in_a_process(work: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """Run in a fresh process, so that peaks of memory are each side's own."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=_work, args=(answers, work, args))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} ended with {process.exitcode}")
    return json.loads(answers.get())


def _work(answers: Any, work: Callable[..., dict[str, Any]], args: tuple[Any, ...]) -> None:
    import django

    django.setup()
    answers.put(json.dumps(work(*args)))
