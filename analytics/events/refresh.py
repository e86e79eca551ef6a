"""Bringing the snapshot up to date with the facts.

The fact ids of running transactions may be lower than ids already committed. `settled_upto` finds
an id below which nothing can appear any more: it reads the sequence, then waits for the
transactions that were writing facts at that moment. New writers are never held up.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone
from psycopg import sql

from analytics.events import budget, facts
from analytics.events.columns import Dictionary, tabulated
from analytics.events.snapshots import BUCKET_BITS, Snapshot, Writer, current
from analytics.events.spilling import Spill
from crm.timeline.models import Fact, FactRemoval

STALE_AFTER = timedelta(hours=6)
TAIL_SHARE, TAIL_AT_LEAST = 0.02, 5_000
# More waiting facts than this take longer to merge into one answer than to write down for all.
TAIL_AT_MOST = 1_000_000
# Above this share of changed buckets one sorted read of everything is cheaper than many.
REWRITE_ALL_ABOVE = 0.25
_LOCK = 4_201_377
log = structlog.get_logger(__name__)


class WritersBusy(Exception):
    """Transactions that were writing facts did not end in time; try again later."""


def columns_root() -> Path:
    """Where snapshots live."""
    return Path(settings.COLUMNS_DIR)


def sound_snapshot() -> Snapshot | None:
    """The snapshot in use, if it was made from this very database and not from its future.

    Files outlive a database that is dropped, or set back to a backup.
    """
    snapshot = current(columns_root())
    if snapshot is None or snapshot.manifest["database"] != database_identity():
        return None
    return snapshot if snapshot.upto <= newest_fact() else None


def usable_snapshot() -> Snapshot | None:
    """The snapshot to ask, made anew where too many facts wait to be merged with every question."""
    snapshot = sound_snapshot()
    if newest_fact() - (snapshot.upto if snapshot else 0) <= TAIL_AT_MOST:
        return snapshot
    try:
        return refresh(wait_seconds=2) or snapshot
    except WritersBusy:
        return snapshot


def is_refresh_due(*, now: datetime) -> bool:
    """Whether enough facts, or any for long enough, are not yet in the snapshot."""
    snapshot = sound_snapshot()
    if snapshot is None:
        return Fact.unsafe_all.exists()
    waiting = newest_fact() - snapshot.upto
    if waiting <= 0:
        return False
    if FactRemoval.objects.filter(fact_id__gt=snapshot.upto).exists():
        return True  # Until then the files tell of people who are somebody else, or forgotten.
    enough = waiting >= max(TAIL_AT_LEAST, TAIL_SHARE * snapshot.events)
    return enough or now - snapshot.built_at >= STALE_AFTER


def refresh(*, everything: bool = False, wait_seconds: float = 60) -> Snapshot | None:
    """Write a new version; None if another process is writing one.

    Only buckets with new facts are written unless `everything` is asked for or most have changed.
    Raises WritersBusy.
    """
    if not _try_lock():
        return None
    try:
        earlier = None if everything else sound_snapshot()
        return _write_version(earlier, settled_upto(wait_seconds))
    finally:
        _unlock()


def settled_upto(wait_seconds: float) -> int:
    """The largest fact id below which no more facts can appear."""
    upto = newest_fact()
    writers = _fact_writers()
    deadline = time.monotonic() + wait_seconds
    while writers & _fact_writers():
        if time.monotonic() > deadline:
            raise WritersBusy("transactions that write facts have been running too long")
        time.sleep(0.05)
    return upto


def _write_version(earlier: Snapshot | None, upto: int) -> Snapshot:
    now = timezone.now()
    kinds, dictionaries = _dictionaries(earlier)
    changed = _changed_buckets(earlier, upto)
    writer = Writer(columns_root(), now.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f"))
    if changed is None:
        newest = _write_everything(writer, upto, kinds, dictionaries)
    else:
        newest = earlier.data_time
        for number in changed:
            if found := facts.facts_up_to(upto, *_customers_of(number)):
                newest = max(newest, found.recorded_at)
                writer.write(number, tabulated(found.events, kinds, dictionaries))
    if changed is not None:
        for bucket in earlier.manifest["buckets"]:
            if bucket["number"] not in changed:
                writer.link(earlier, bucket)
    snapshot = writer.publish(
        database=database_identity(),
        upto=upto,
        data_time=newest,
        built_at=now,
        kinds=kinds,
        dictionaries=dictionaries,
    )
    log.info("columns.refreshed", version=snapshot.version, events=snapshot.events, upto=upto)
    return snapshot


def _write_everything(
    writer: Writer, upto: int, kinds: Dictionary, dictionaries: dict[str, Dictionary]
) -> datetime:
    """Write every bucket; when the newest of all facts was recorded."""
    with writer.aside() as folder:
        spill = Spill(folder / "facts", BUCKET_BITS)
        spill.fill(upto)

        def write(number: int) -> None:
            writer.write(number, tabulated(spill.events(number), kinds, dictionaries))

        # Not within the budget of whoever asked: a build that is begun is worth ending.
        with ThreadPoolExecutor(budget.THREADS, initializer=budget.step_back) as pool:
            list(pool.map(write, list(spill.numbers)))
    return spill.newest


def _customers_of(number: int) -> tuple[int, int]:
    return number << BUCKET_BITS, (number + 1) << BUCKET_BITS


def _dictionaries(earlier: Snapshot | None) -> tuple[Dictionary, dict[str, Dictionary]]:
    """Codes for every kind and value that a settled fact can have; old codes stay."""
    tables = {"agent": "crm_agent", "channel": "crm_channel"}
    if earlier:
        kinds, dictionaries = earlier.dictionaries()
    else:
        empty = np.empty(0, np.int64)
        kinds, dictionaries = Dictionary(empty, 0), {n: Dictionary(empty, 1) for n in tables}
    return kinds.grown(_ids("crm_factkind")), {
        name: dictionaries[name].grown(_ids(table)) for name, table in tables.items()
    }


def _changed_buckets(earlier: Snapshot | None, upto: int) -> list[int] | None:
    """Buckets with facts that are not in the earlier version; None means write all."""
    if earlier is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            # Also where facts were taken away since: what is left there is written anew.
            "select customer_id >> %(bits)s from crm_fact where id > %(since)s and id <= %(upto)s"
            " union select customer_id >> %(bits)s from crm_factremoval"
            " where fact_id > %(since)s and fact_id <= %(upto)s",
            {"bits": BUCKET_BITS, "since": earlier.upto, "upto": upto},
        )
        changed = sorted(number for (number,) in cursor.fetchall())
    known = len(earlier.buckets)
    return None if known > 4 and len(changed) > REWRITE_ALL_ABOVE * known else changed


def _ids(table: str) -> np.ndarray:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("select id from {} order by id").format(sql.Identifier(table)))
        return np.array([number for (number,) in cursor.fetchall()], np.int64)


def newest_fact() -> int:
    """The largest fact id handed out so far, committed or not."""
    with connection.cursor() as cursor:
        cursor.execute("select case when is_called then last_value else 0 end from crm_fact_id_seq")
        return cursor.fetchone()[0]


def database_identity() -> str:
    """What tells this database from any other, dropped and made again included."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select system_identifier::text || '/' || 'crm_fact'::regclass::oid::text"
            " || '/' || current_database() from pg_control_system()"
        )
        return cursor.fetchone()[0]


def _fact_writers() -> set[str]:
    """Other transactions that hold the lock that every write to the facts takes first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select virtualtransaction from pg_locks
            where locktype = 'relation' and relation = 'crm_fact'::regclass
              and database = (select oid from pg_database where datname = current_database())
              and mode not in ('AccessShareLock', 'RowShareLock') and pid <> pg_backend_pid()
            """
        )
        return {name for (name,) in cursor.fetchall()}


def _try_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [_LOCK])
        return cursor.fetchone()[0]


def _unlock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_unlock(%s)", [_LOCK])
