"""The nightly reconcile: every object read afresh, every difference put right and written down."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db.models import Count
from django.utils import timezone

from crm.agents.models import User
from crm.customers.actions import recompute_stages, refresh_customers
from crm.shared.times import corp_zone, local_day
from crm.sync.actions import Clock, SyncBusy, one_sync, sync_object
from crm.sync.models import Reconcile, Repair, SyncObject, SyncRun

# When nobody works, and after WeCom has had the night to finish its own day.
AT = time(3, 30)
GIVEN_UP = timedelta(hours=12)
State = SyncRun.State
Trigger = Reconcile.Trigger


@dataclass(frozen=True)
class Report:
    """What a reconcile came to: its runs in their order, and repairs by kind."""

    reconcile: Reconcile
    runs: tuple[SyncRun, ...]
    repairs: dict[str, int]

    @property
    def is_done(self) -> bool:
        done = {run.object for run in self.runs if run.state == State.DONE}
        return done == set(SyncObject.values)


def reconcile_all(
    *,
    trigger: str,
    by: User | None = None,
    clock: Clock = timezone.now,
    wait: bool = False,
) -> Report:
    """Reconcile every object now; raises SyncBusy while another process syncs.

    One that was interrupted goes on where it was. An object that fails does not keep the next one
    from its turn.
    """
    with one_sync(wait=wait):
        round_ = _under_way(clock()) or Reconcile.objects.create(
            trigger=trigger, by=by, started_at=clock()
        )
        for name in SyncObject.values:
            if not round_.runs.filter(object=name, state__in=[State.DONE, State.FAILED]).exists():
                sync_object(name, clock=clock, reconcile=round_)
        _conclude(round_, clock())
    return report(round_)


def reconcile_if_due(*, clock: Clock = timezone.now) -> Report | None:
    """The nightly turn, also when it was missed at night or interrupted; None when nothing is."""
    if not is_due(clock()):
        return None
    try:
        return reconcile_all(trigger=Trigger.NIGHTLY, clock=clock)
    except SyncBusy:
        return None


def is_due(now: datetime) -> bool:
    """Whether a round is under way, or the last 03:30 has passed without one.

    Before there is anything to compare with, the first sync has its way.
    """
    if _under_way(now):
        return True
    turn = last_turn(now)
    if Reconcile.objects.filter(started_at__gte=turn).exists():
        return False
    return SyncRun.objects.filter(state=State.DONE, finished_at__lt=turn).exists()


def last_turn(now: datetime) -> datetime:
    """The newest 03:30 of the corporation that has passed."""
    turn = datetime.combine(local_day(now), AT, corp_zone())
    return turn if turn <= now else turn - timedelta(days=1)


def next_turn(now: datetime) -> datetime:
    """The next 03:30 of the corporation."""
    return last_turn(now) + timedelta(days=1)


def report(round_: Reconcile) -> Report:
    """What a round came to, read back from its rows."""
    runs = round_.runs.order_by("pk")
    kinds = Repair.unsafe_all.filter(run__reconcile=round_).values_list("kind")
    counts = kinds.annotate(n=Count("pk")).order_by("kind")
    return Report(round_, tuple(runs), dict(counts))


def _under_way(now: datetime) -> Reconcile | None:
    recent = Reconcile.objects.filter(finished_at__isnull=True, started_at__gt=now - GIVEN_UP)
    return recent.first()


def _conclude(round_: Reconcile, now: datetime) -> None:
    """Recompute what derives from the rows, unless an object still waits for a page."""
    if round_.runs.filter(state=State.READING).exists():
        return
    # Raw repairs may have been made while nobody looked (a restore, a change by hand).
    round_.derived = refresh_customers(None, now)
    recompute_stages(None, now)
    round_.finished_at = now
    round_.save(update_fields=["derived", "finished_at"])
