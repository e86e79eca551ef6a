"""How long a question may take: its budget, how far it is, and stopping it.

A budget holds for what runs inside `spend`, on this thread and on those that fold for it. Folds ask
it before every block, and no statement of the database may take longer.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.conf import settings
from django.db import OperationalError, connection
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from crm.shared.errors import DomainError

# What one question folds with.
THREADS = min(8, len(os.sched_getaffinity(0)))
NICENESS = 5
LOOKS_EVERY = 0.3


class OverBudget(DomainError):
    """The question takes longer than it may."""

    code = "over_budget"


class QuestionCancelled(DomainError):
    """The person who asked no longer wants to know."""

    code = "question_cancelled"


@dataclass
class Budget:
    """Seconds to spend. ``report`` is told (done, total) blocks, ``is_cancelled`` is asked."""

    seconds: float
    report: Callable[[int, int], None] | None = None
    is_cancelled: Callable[[], bool] | None = None
    _begun: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _done: int = 0
    _total: int = 0

    @property
    def left(self) -> float:
        """Seconds left; below zero when it is spent."""
        return self.seconds - (time.monotonic() - self._begun)

    def check(self) -> None:
        """Raise OverBudget or QuestionCancelled where the work has to stop."""
        if self.is_cancelled and self.is_cancelled():
            raise QuestionCancelled(_("已取消"))
        if self.left <= 0:
            raise self.refusal()

    def refusal(self) -> OverBudget:
        """What to tell the person who asked."""
        words = _("这个问题超过了 %(n)s 秒的时限：请缩小日期范围、减少步骤或细分后再试")
        return OverBudget(words % {"n": f"{self.seconds:g}"})

    def expect(self, blocks: int) -> None:
        """So many more blocks are to be folded."""
        with self._lock:
            self._total += blocks

    def did(self) -> None:
        """One block is folded."""
        with self._lock:
            self._done += 1
            done, total = self._done, self._total
        if self.report:
            self.report(done, total)


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


def current() -> Budget | None:
    """The budget in force here, if any."""
    return _current.get()


@contextmanager
def spend(budget: Budget) -> Iterator[Budget]:
    """Run what follows within a budget."""
    held = _current.set(budget)
    try:
        with _statements(budget):
            yield budget
    finally:
        _current.reset(held)


def whole_budget() -> AbstractContextManager[Budget]:
    """Spend at most what a whole answer may take: files, the API, lists of people."""
    return spend(Budget(settings.QUESTION_SECONDS))


@contextmanager
def _statements(budget: Budget) -> Iterator[None]:
    """No statement may take longer than the budget, and none goes on that nobody waits for."""
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('statement_timeout')")
        [before] = cursor.fetchone()
        # 0 would mean no limit.
        _limit(cursor, f"{max(1, int(budget.left * 1000))}ms")
    try:
        with _watched(budget):
            yield
    except QueryCanceled as error:  # From COPY, which Django does not wrap.
        budget.check()
        raise budget.refusal() from error
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            budget.check()
            raise budget.refusal() from error
        raise
    finally:
        if not connection.needs_rollback:
            _restore(before)


@contextmanager
def _watched(budget: Budget) -> Iterator[None]:
    """Ask beside the statements whether the answer is still wanted, and end them where it is not.

    Folds ask by themselves; a statement of a minute would not.
    """
    if budget.is_cancelled is None:
        yield
        return
    session, over = connection.connection, threading.Event()

    def watch() -> None:
        while not over.wait(LOOKS_EVERY):
            if budget.is_cancelled():
                session.cancel_safe(timeout=5)
                return

    watcher = threading.Thread(target=watch, name="question-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _restore(before: str) -> None:
    """The limit of before; a stop that came too late for its statement may meet this one."""
    for is_last in (False, True):
        try:
            with connection.cursor() as cursor:
                _limit(cursor, before)
            return
        except OperationalError:
            if is_last or connection.in_atomic_block:
                raise


def _limit(cursor, text: str) -> None:
    cursor.execute("select set_config('statement_timeout', %s, false)", [text])


def step_back() -> None:
    """Let this thread give way: questions of people never slow the intake of facts."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
