"""Pulling the archive: one puller at a time, rows and place in the stream together."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

import structlog
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.archive.media import fetch_media
from crm.archive.models import ArchivedMessage, ArchiveProgress
from crm.archive.opening import NO_JSON, Opened, open_message
from crm.archive.storing import Stored, open_sealed, store_messages
from crm.shared import faults
from crm.shared.errors import DomainError
from crm.wecom.archive import FETCH, MOST_MESSAGES, Archive, Sealed
from crm.wecom.archive_errors import LimitTooHigh, unreadable
from crm.wecom.archive_sources import open_archive
from crm.wecom.errors import WeComError, token_of

log = structlog.get_logger("crm.archive")

_ONE_PULLER_LOCK = 7_302_011
REOPENED_AT_ONCE = 200
ROUND_SECONDS = 45

Clock = Callable[[], datetime]


class PullBusy(DomainError):
    """Another process is pulling."""


class PlaceLost(Exception):
    """Somebody else has moved the place in the stream; what we fetched is not stored."""


@dataclass
class Pulled:
    """What a pull came to; ``caught_up``: the end of the stream was seen."""

    messages: int = 0
    facts: int = 0
    media: int = 0
    sealed: int = 0
    reopened: int = 0
    calls: int = 0
    seq: int = 0
    caught_up: bool = False
    asked_at: datetime | None = None
    error: str = ""
    files: int = 0

    def join(self, later: "Pulled") -> None:
        """Add up with the pull that followed."""
        for name in ("messages", "facts", "media", "sealed", "reopened", "calls"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.seq, self.caught_up, self.error = later.seq, later.caught_up, later.error

    def add(self, stored: Stored) -> None:
        for name, value in asdict(stored).items():
            setattr(self, name, getattr(self, name) + value)


@contextmanager
def one_puller() -> Iterator[None]:
    """Hold the lock of the puller on this connection; a killed process lets go by dying."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [_ONE_PULLER_LOCK])
        if not cursor.fetchone()[0]:
            raise PullBusy(_("会话存档正在拉取"))
        try:
            yield
        finally:
            cursor.execute("select pg_advisory_unlock(%s)", [_ONE_PULLER_LOCK])


def pull_archive(
    *,
    clock: Clock = timezone.now,
    limit: int = MOST_MESSAGES,
    most_calls: int | None = None,
) -> Pulled:
    """Fetch what is new until the end of the stream, or for a while; raises PullBusy.

    An error of the source ends the pull and is written down; what was stored before it stays.
    """
    with one_puller():
        return _pull(clock, limit, most_calls)


def pull_everything(
    *,
    clock: Clock = timezone.now,
    limit: int = MOST_MESSAGES,
    media: bool = True,
    to_the_end: bool = False,
) -> Pulled:
    """New messages, then the files that are due; raises PullBusy.

    ``to_the_end``: go on until nothing is left, however long it takes.
    """
    with one_puller():
        pulled = _pull(clock, limit, None)
        while to_the_end and not (pulled.caught_up or pulled.error):
            pulled.join(_pull(clock, limit, None))
        if media and not pulled.error:
            _fetch_files(pulled, clock, to_the_end)
    return pulled


def _fetch_files(pulled: Pulled, clock: Clock, to_the_end: bool) -> None:
    try:
        while got := fetch_media(clock=clock):
            pulled.files += got
            if not to_the_end:
                return
    except WeComError as error:
        pulled.error = token_of(error)


def _pull(clock: Clock, limit: int, most_calls: int | None) -> Pulled:
    progress, _new = ArchiveProgress.objects.get_or_create(pk=1, defaults={"began_at": clock()})
    pulled, started = Pulled(seq=progress.seq), time.monotonic()
    try:
        with open_archive() as archive:
            _reopen(archive, pulled, clock)
            _follow(archive, progress, pulled, clock, limit, most_calls)
    except WeComError as error:
        pulled.error = token_of(error)
        log.warning("archive pull failed", reason=pulled.error, seq=progress.seq)
    _note_outcome(pulled, time.monotonic() - started, clock())
    return pulled


def _follow(
    archive: Archive,
    progress: ArchiveProgress,
    pulled: Pulled,
    clock: Clock,
    limit: int,
    most_calls: int | None,
) -> None:
    until = time.monotonic() + ROUND_SECONDS
    while not pulled.caught_up and time.monotonic() < until and pulled.calls != most_calls:
        asked_at = pulled.asked_at = clock()
        batch, limit = _fetch(archive, progress.seq, limit)
        pulled.calls += 1
        opened = [open_message(archive, sealed) for sealed in batch]
        pulled.add(_land(progress, opened, asked_at, clock()))
        pulled.seq, pulled.caught_up = progress.seq, len(batch) < limit


def _fetch(archive: Archive, seq: int, limit: int) -> tuple[list[Sealed], int]:
    """Messages after ``seq``, and how many may be asked for: half, while WeCom says too many."""
    while True:
        try:
            batch = archive.after(seq, limit)
        except LimitTooHigh:
            if limit == 1:
                raise
            limit = limit // 2
            continue
        if batch and batch[-1].seq <= seq:
            raise unreadable(FETCH)  # Only what we have already: asking on would never end.
        return batch, limit


def _land(
    progress: ArchiveProgress, opened: list[Opened], asked_at: datetime, now: datetime
) -> Stored:
    """Keep a batch and where the next one begins, together or not at all."""
    if not faults.guarded("archive.together"):
        return _land_apart(progress, opened, asked_at, now)
    faults.point("archive.before_rows")
    with transaction.atomic():
        stored = store_messages(opened, now=now)
        faults.point("archive.between")
        _move(progress, opened, asked_at)
    faults.point("archive.after_commit")
    return stored


def _land_apart(
    progress: ArchiveProgress, opened: list[Opened], asked_at: datetime, now: datetime
) -> Stored:
    """As it must not be done; only the twin of the kill test comes here."""
    _move(progress, opened, asked_at)
    faults.point("archive.between")
    with transaction.atomic():
        return store_messages(opened, now=now)


def _move(progress: ArchiveProgress, opened: list[Opened], asked_at: datetime) -> None:
    said = [one.said.said_at for one in opened if one.said and one.said.said_at]
    newest = max([*said, *filter(None, [progress.newest_at])], default=None)
    seq = max([progress.seq, *(one.sealed.seq for one in opened)])
    values = {"seq": seq, "newest_at": newest and min(newest, asked_at)}
    if not ArchiveProgress.objects.filter(pk=1, seq=progress.seq).update(**values):
        raise PlaceLost
    progress.seq, progress.newest_at = seq, values["newest_at"]


def _note_outcome(pulled: Pulled, seconds: float, now: datetime) -> None:
    if pulled.error:
        values = {"error": pulled.error, "error_at": now}
    else:
        values = {"error": "", "error_at": None, "pulled_at": now, "seconds": seconds}
        if pulled.caught_up:
            values["caught_up_at"] = pulled.asked_at
    ArchiveProgress.objects.filter(pk=1).update(**values)


def _reopen(archive: Archive, pulled: Pulled, clock: Clock) -> None:
    """Try what was kept sealed again: its key may have come by now."""
    waiting = ArchivedMessage.unsafe_all.filter(sealed__isnull=False).exclude(problem=NO_JSON)
    pairs = []
    for row in waiting.order_by("seq")[:REOPENED_AT_ONCE]:
        one = open_message(archive, Sealed(**row.sealed))
        if one.said is not None:
            pairs.append((row, one))
    if pairs:
        with transaction.atomic():
            stored = open_sealed(pairs, now=clock())
        pulled.reopened, pulled.facts = len(pairs), pulled.facts + stored.facts
        pulled.media += stored.media
