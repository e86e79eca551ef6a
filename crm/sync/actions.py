"""Running the sync: one at a time, page by page, going on where a killed one was."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import wecom
from crm.shared import faults
from crm.shared.errors import DomainError
from crm.statistics.actions import unsettled
from crm.statistics.models import AgentDay, OwnerDay
from crm.sync.counting import count
from crm.sync.models import Reconcile, Repair, StagedPage, SyncObject, SyncRun
from crm.sync.readers import READERS
from crm.sync.reading import NothingListed, Reader
from crm.wecom.errors import token_of
from crm.wecom.records import Page

log = structlog.get_logger("crm.sync")

EVERY: dict[str, timedelta] = dict.fromkeys(SyncObject.values, timedelta(minutes=30)) | {
    SyncObject.MOMENTS: timedelta(hours=2),
    # Counted once a day; the reconcile reads them at night, this one what was zero then.
    SyncObject.AGENT_DAYS: timedelta(hours=6),
    SyncObject.OWNER_DAYS: timedelta(hours=6),
}
# While some days have not been counted yet.
SOONER = timedelta(hours=1)
COUNTED = {SyncObject.AGENT_DAYS: AgentDay, SyncObject.OWNER_DAYS: OwnerDay}
AFTER_FAILURE = timedelta(minutes=5)
TOO_OLD = timedelta(hours=12)
KEPT = timedelta(days=30)
REPAIRS_KEPT = timedelta(days=90)
LOST_CURSOR = 50100
_ONE_SYNC_LOCK = 7_302_002

Clock = Callable[[], datetime]
State = SyncRun.State


class SyncBusy(DomainError):
    """Another process is syncing."""


@contextmanager
def one_sync(*, wait: bool) -> Iterator[None]:
    """Hold the lock of the sync on this connection; a killed process lets go of it by dying."""
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("select pg_advisory_lock(%s)", [_ONE_SYNC_LOCK])
        else:
            cursor.execute("select pg_try_advisory_lock(%s)", [_ONE_SYNC_LOCK])
            if not cursor.fetchone()[0]:
                raise SyncBusy(_("同步正在进行"))
        try:
            yield
        finally:
            cursor.execute("select pg_advisory_unlock(%s)", [_ONE_SYNC_LOCK])


def sync_objects(
    objects: Iterable[str] = SyncObject.values,
    *,
    clock: Clock = timezone.now,
    wait: bool = False,
) -> list[SyncRun]:
    """Sync these objects now, in their order; raises SyncBusy when another process does.

    An object that fails does not keep the next one from its turn; its run tells why.
    """
    wanted = set(objects)
    with one_sync(wait=wait):
        return [sync_object(name, clock=clock) for name in SyncObject.values if name in wanted]


def sync_due_objects(*, clock: Clock = timezone.now) -> list[SyncRun]:
    """Sync what is due or was interrupted; nothing where another process is at it."""
    try:
        with one_sync(wait=False):
            now = clock()
            due = [name for name in SyncObject.values if next_due(name, now) <= now]
            return [sync_object(name, clock=clock) for name in due]
    except SyncBusy:
        return []


def next_due(name: str, now: datetime) -> datetime:
    """When the object's turn is: some time after its last start, at once if interrupted."""
    return due_after(name, SyncRun.objects.filter(object=name).first(), now)


def due_after(name: str, last: SyncRun | None, now: datetime) -> datetime:
    """The same for whoever knows the object's last run."""
    if last is None or last.state == State.READING:
        return now
    if last.state == State.FAILED:
        return last.touched_at + AFTER_FAILURE
    if name in COUNTED and unsettled(COUNTED[name], now):
        return last.started_at + SOONER
    return last.started_at + EVERY[name]


def sync_object(
    name: str, *, clock: Clock = timezone.now, reconcile: Reconcile | None = None
) -> SyncRun:
    """Read one object to its end and apply it; call it while holding ``one_sync``.

    A reconcile reads everything afresh: pages that were asked for before it began are thrown away.
    """
    run = _generation(name, clock(), reconcile)
    reader = READERS[run.object]
    try:
        _read(run, reader, clock)
        _apply(run, reader, clock)
    except (wecom.RetryLater, wecom.NotReachable, wecom.OutcomeUnknown) as error:
        # The pages stay: the next turn goes on with the page that did not come.
        run.error, run.touched_at = token_of(error), clock()
        run.save(update_fields=["error", "touched_at"])
        log.warning("sync interrupted", object=name, reason=run.error)
    except NothingListed:
        log.error("sync lists nothing", object=name)
        _fail(run, "nothing_listed", clock())
    except Exception as error:
        log.exception("sync failed", object=name)
        _fail(run, token_of(error), clock())
    return run


def _generation(name: str, now: datetime, reconcile: Reconcile | None) -> SyncRun:
    """The generation under way, unless it is too old to go on with, else a new one."""
    run = SyncRun.objects.filter(object=name, state=State.READING).first()
    since = reconcile.started_at if reconcile else now - TOO_OLD
    if run is not None and run.started_at >= since:
        return run
    if run is not None:
        _fail(run, "interrupted", now)
    return SyncRun.objects.create(object=name, started_at=now, touched_at=now, reconcile=reconcile)


def _read(run: SyncRun, reader: Reader, clock: Clock) -> None:
    client = wecom.client()
    if run.parts is None:
        run.parts = reader.parts(client, clock())
        run.save(update_fields=["parts"])
    while run.part < len(run.parts):
        asked_at = clock()
        try:
            page = reader.page(client, run.parts[run.part], run.cursor)
        except wecom.Refused as refusal:
            if refusal.code != LOST_CURSOR or not run.cursor:
                raise
            _restart_part(run)
            continue
        _land(run, page, asked_at, clock())
        faults.point("sync.landed")


@transaction.atomic
def _land(run: SyncRun, page: Page, asked_at: datetime, now: datetime) -> None:
    """Keep one page and where the next one begins, together or not at all."""
    StagedPage.objects.create(
        run=run, part=run.part, number=run.pages, asked_at=asked_at, items=page.items
    )
    run.pages += 1
    run.rows += len(page.items)
    run.left_out = sorted({*run.left_out, *page.left_out})
    run.cursor = page.next_cursor
    run.part += 0 if page.next_cursor else 1
    run.touched_at, run.error = now, ""
    run.save()
    faults.point("sync.before_landed")


@transaction.atomic
def _restart_part(run: SyncRun) -> None:
    """The cursor works no more (they live an hour): read this part again from its beginning."""
    stale = run.staged.filter(part=run.part)
    run.rows -= sum(len(items) for items in stale.values_list("items", flat=True))
    stale.delete()
    run.cursor = ""
    run.save()


def _apply(run: SyncRun, reader: Reader, clock: Clock) -> None:
    outcome = reader.apply(run, clock())
    faults.point("sync.applied")
    counted = count(run)
    with transaction.atomic():
        run.changed, run.ended, run.repaired = outcome.changed, outcome.ended, outcome.repaired
        run.remote_rows, run.local_rows = counted.remote, counted.local
        run.remains = [remainder.as_json() for remainder in counted.remains]
        run.state, run.error = State.DONE, ""
        run.finished_at = run.touched_at = clock()
        run.save()
        run.staged.all().delete()
        faults.point("sync.before_done")
    log.info(
        "sync done",
        object=run.object,
        rows=run.rows,
        changed=run.changed,
        ended=run.ended,
        repaired=run.repaired,
    )


@transaction.atomic
def _fail(run: SyncRun, error: str, now: datetime) -> None:
    run.state, run.error = State.FAILED, error
    run.finished_at = run.touched_at = now
    run.save()
    run.staged.all().delete()


def forget_old_runs(*, now: datetime | None = None) -> int:
    """Delete runs after 30 days, but the last success of an object stays; repairs after 90."""
    now = now or timezone.now()
    Repair.unsafe_all.filter(found_at__lt=now - REPAIRS_KEPT).delete()
    Reconcile.objects.filter(started_at__lt=now - REPAIRS_KEPT).delete()
    kept = [
        SyncRun.objects.filter(object=name, state=State.DONE).values_list("pk", flat=True).first()
        for name in SyncObject.values
    ]
    old = SyncRun.objects.filter(started_at__lt=now - KEPT)
    return old.exclude(pk__in=[pk for pk in kept if pk]).delete()[0]
