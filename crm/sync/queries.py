"""How the sync is doing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.customers.models import Customer
from crm.sync.actions import EVERY, due_after
from crm.sync.counting import REASONS
from crm.sync.feeds import FEEDS, Feed, FeedState
from crm.sync.models import Reconcile, Repair, SyncObject, SyncRun
from crm.sync.reconciling import next_turn, report
from crm.sync.remedies import remedy_for
from crm.wecom.errors import words_for

MISSED_TURNS = 3


@dataclass(frozen=True)
class Remains:
    """Rows that differ although the run succeeded, with the reason in words."""

    words: str
    count: int
    customers: tuple[tuple[int, str], ...] = ()


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
    next_due_at: datetime | None
    is_late: bool
    remedy: str = ""
    repaired: int = 0
    remote: int | None = None
    local: int | None = None
    remains: tuple[Remains, ...] = ()
    lag: timedelta | None = None
    run_id: int | None = None
    can_sync: bool = True

    @property
    def is_new(self) -> bool:
        return self.last_success_at is None and not self.error

    @property
    def level(self) -> str:
        """The colour of its badge: bad, warn, brand or good; "" while it never ran."""
        if self.error:
            return "bad"
        if self.is_running:
            return "brand"
        if self.last_success_at is None:
            return ""
        return "warn" if self.is_late else "good"

    @property
    def state_words(self) -> str:
        """The state in a word."""
        return {
            "bad": _("出错"),
            "brand": _("读取中"),
            "": _("尚未开始"),
            "warn": _("迟了"),
            "good": _("正常"),
        }[self.level]

    @property
    def differing(self) -> int:
        """Rows that differ after the last success."""
        return sum(one.count for one in self.remains)


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
    feeds = [(feed, feed.state(now)) for feed in FEEDS]
    last, done = newest_runs(), newest_runs(state=SyncRun.State.DONE)
    return SyncHealth(
        (
            *(_health(name, last.get(name), done.get(name), now) for name in SyncObject.values),
            *(_feed_health(feed, state, now) for feed, state in feeds if state),
        )
    )


def newest_runs(**narrowed: str) -> dict[str, SyncRun]:
    """The newest run of each object, among those with these columns."""
    runs = SyncRun.objects.filter(**narrowed).order_by("object", "-pk").distinct("object")
    return {run.object: run for run in runs}


def _health(
    name: str, last: SyncRun | None, success: SyncRun | None, now: datetime
) -> ObjectHealth:
    running = last is not None and last.state == SyncRun.State.READING
    fresh = success is not None and success.finished_at > now - MISSED_TURNS * EVERY[name]
    token = last.error if last else ""
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
        error=words_for(token) if token else "",
        next_due_at=due_after(name, last, now),
        is_late=not fresh and not (running and success is None),
        remedy=remedy_for(token),
        repaired=success.repaired if success else 0,
        remote=success.remote_rows if success else None,
        local=success.local_rows if success else None,
        remains=_remains(success),
        lag=now - success.finished_at if success else None,
        run_id=success.pk if success else None,
    )


def _remains(run: SyncRun | None) -> tuple[Remains, ...]:
    return tuple(
        Remains(str(REASONS.get(row["reason"], row["reason"])), row["count"])
        for row in (run.remains if run else ())
    )


def _feed_health(feed: Feed, state: FeedState, now: datetime) -> ObjectHealth:
    fresh = state.last_success_at is not None and state.last_success_at > now - state.late_after
    lagging = state.lag is not None and state.lag > state.late_after
    return ObjectHealth(
        object=feed.name,
        label=str(feed.label),
        last_success_at=state.last_success_at,
        seconds=state.seconds,
        rows=state.rows,
        changed=0,
        ended=0,
        is_running=state.is_running,
        rows_read=0,
        error=words_for(state.error) if state.error else "",
        next_due_at=state.next_due_at,
        is_late=not fresh or lagging,
        remedy=remedy_for(state.error),
        lag=state.lag,
        can_sync=False,
    )


def differences(found: SyncHealth, user: User) -> list[tuple[ObjectHealth, Remains]]:
    """What still differs after the last success of each object, with the customers one may see."""
    runs = SyncRun.objects.in_bulk([one.run_id for one in found.objects if one.run_id])
    wanted = {
        pk
        for run in runs.values()
        if run.object == SyncObject.CUSTOMERS
        for row in run.remains
        for pk in row["ids"]
    }
    names = dict(Customer.objects.for_user(user).filter(pk__in=wanted).values_list("pk", "name"))
    told = []
    for one in found.objects:
        run = runs.get(one.run_id)
        for row in run.remains if run else ():
            people = row["ids"] if run.object == SyncObject.CUSTOMERS else ()
            shown = tuple((pk, names[pk]) for pk in people if pk in names)
            words = str(REASONS.get(row["reason"], row["reason"]))
            told.append((one, Remains(words, row["count"], shown)))
    return told


def recent_runs(limit: int = 30) -> list[SyncRun]:
    """The newest runs of all objects."""
    return list(SyncRun.objects.all()[:limit])


@dataclass(frozen=True)
class LastReconcile:
    """The newest round, what it put right by kind, and when the next one is."""

    row: Reconcile | None
    kinds: tuple[tuple[str, str, int], ...]
    failed: int
    next_at: datetime

    @property
    def repaired(self) -> int:
        return sum(n for _kind, _label, n in self.kinds)


def last_reconcile(now: datetime) -> LastReconcile:
    """What the newest reconcile came to."""
    row = Reconcile.objects.first()
    if row is None:
        return LastReconcile(None, (), 0, next_turn(now))
    found = report(row)
    labels = dict(Repair.Kind.choices)
    kinds = tuple((kind, str(labels[kind]), n) for kind, n in found.repairs.items())
    failed = sum(run.state == SyncRun.State.FAILED for run in found.runs)
    return LastReconcile(row, kinds, failed, next_turn(now))


def repairs(user: User, params: Mapping[str, str]) -> QuerySet:
    """Repairs within the user's scope, narrowed by object, kind, customer and round."""
    rows = Repair.objects.for_user(user).select_related("customer", "agent", "group")
    if params.get("object") in SyncObject.values:
        rows = rows.filter(object=params["object"])
    if params.get("kind") in Repair.Kind.values:
        rows = rows.filter(kind=params["kind"])
    for name, column in (("customer", "customer"), ("round", "run__reconcile")):
        if number := _number(params.get(name, "")):
            rows = rows.filter(**{column: number})
    return rows


def repairs_by_object(user: User) -> list[tuple[str, str, int]]:
    """(object, label, count) of the repairs that the user may see."""
    counts = Repair.objects.for_user(user).order_by().values_list("object")
    found = dict(counts.annotate(n=Count("pk")))
    return [(name, str(label), found[name]) for name, label in SyncObject.choices if name in found]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None
