"""How the sync is doing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.sync.actions import EVERY, next_due
from crm.sync.models import SyncObject, SyncRun

LATE = 3 * EVERY


@dataclass(frozen=True)
class ObjectHealth:
    """One object: its last success, what is under way, and what went wrong last."""

    object: str
    label: str
    last_success_at: datetime | None
    seconds: float | None
    rows: int
    changed: int
    ended: int
    is_running: bool
    rows_read: int
    error: str
    next_due_at: datetime
    is_late: bool

    @property
    def is_new(self) -> bool:
        return self.last_success_at is None and not self.error


@dataclass(frozen=True)
class SyncHealth:
    """All objects, and the one line that says whether the data can be trusted."""

    objects: tuple[ObjectHealth, ...]

    @property
    def is_good(self) -> bool:
        return not any(one.error or one.is_late for one in self.objects)

    @property
    def is_running(self) -> bool:
        """Something is being read, or waits for its very first turn."""
        return any(one.is_running or one.is_new for one in self.objects)

    @property
    def complete_since(self) -> datetime | None:
        """The oldest last success: everything is at least as fresh. None before the first."""
        times = [one.last_success_at for one in self.objects]
        return None if None in times else min(times)

    @property
    def first_problem(self) -> ObjectHealth | None:
        return next((one for one in self.objects if one.error or one.is_late), None)


def sync_health(now: datetime) -> SyncHealth:
    """The state of every object at ``now``."""
    return SyncHealth(tuple(_health(name, now) for name in SyncObject.values))


def _health(name: str, now: datetime) -> ObjectHealth:
    last = SyncRun.objects.filter(object=name).first()
    success = SyncRun.objects.filter(object=name, state=SyncRun.State.DONE).first()
    running = last is not None and last.state == SyncRun.State.READING
    fresh = success is not None and success.finished_at > now - LATE
    return ObjectHealth(
        object=name,
        label=str(SyncObject(name).label),
        last_success_at=success.finished_at if success else None,
        seconds=(success.finished_at - success.started_at) / timedelta(seconds=1)
        if success
        else None,
        rows=success.rows if success else 0,
        changed=success.changed if success else 0,
        ended=success.ended if success else 0,
        is_running=running,
        rows_read=last.rows if running else 0,
        error=last.error_words if last else "",
        next_due_at=next_due(name, now),
        is_late=not fresh and not (running and success is None),
    )


def recent_runs(limit: int = 30) -> list[SyncRun]:
    """The newest runs of all objects."""
    return list(SyncRun.objects.all()[:limit])
