"""Whether the kernel's machine code is on disk already, and making it without loading it here.

Compiling takes about ten seconds of one core, once per installation and version; reading the result
takes half a second. numba itself costs 100 MB, which a worker that only looks should not pay.
"""

import hashlib
import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from django.conf import settings

_KERNELS = [Path(__file__).with_name(name) for name in ("kernel.py", "chains.py")]


def cache_dir() -> Path:
    """Where compiled code is kept; `kernel` reads the same place."""
    return Path(os.environ.get("NUMBA_CACHE_DIR") or Path(settings.STATE_DIR) / "numba")


def is_compiled() -> bool:
    """Whether this version of the kernel has been compiled here."""
    return _mark().exists()


def mark_compiled() -> None:
    """Remember that everything is compiled."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    _mark().touch()


def compile_in_a_process() -> None:
    """Run `columns compile` behind everything else that wants the cores."""
    subprocess.run(
        [sys.executable, "manage.py", "columns", "compile"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache_dir())},
        preexec_fn=_step_back,
        check=True,
    )


def load_what_questions_need() -> None:
    """In a process that is going to serve pages, load what the first question would wait for.

    Numba takes a second or two and scipy one, during which every other page of the process waits
    too. Where nothing is compiled yet the kernel is left alone: compiling would hold up the start.
    """
    import_module("scipy.stats")
    if is_compiled():
        import_module("analytics.events.warmup").warm_up()


def _step_back() -> None:
    os.nice(10)


def _mark() -> Path:
    code = b"".join(path.read_bytes() for path in _KERNELS)
    identity = code + version("numba").encode() + sys.version.encode()
    return cache_dir() / f"kernel-{hashlib.sha256(identity).hexdigest()[:16]}.compiled"
