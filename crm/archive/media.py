"""Fetching the files of messages: slice by slice, going on where a killed fetch was.

A file lies under a name of ours; only one that is whole, and whose digest is what the message says,
counts as fetched. References expire after a few days, so this runs right behind the pull.
"""

import hashlib
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.utils import timezone

from crm.archive.models import ArchivedMedia
from crm.shared import faults
from crm.wecom.archive import Archive, MediaChunk
from crm.wecom.archive_errors import EXPIRED, GONE
from crm.wecom.archive_sources import open_archive
from crm.wecom.errors import Misconfigured, Refused, WeComError, token_of

log = structlog.get_logger("crm.archive")

State = ArchivedMedia.State
MOST_ATTEMPTS = 5
ROUND_SECONDS = 40
WRONG_DIGEST = "archive_wrong_digest"
Clock = Callable[[], datetime]


def media_path(media: ArchivedMedia) -> Path:
    """Where a file lies, or will lie."""
    return Path(settings.MEDIA_ROOT) / "archive" / media.stored_name[:2] / media.stored_name


def fetch_media(*, clock: Clock = timezone.now, limit: int = 500) -> int:
    """Fetch files that are due, oldest first, for a while; returns how many are whole now.

    Call it while holding ``one_puller``: a file has one writer.
    """
    due = ArchivedMedia.objects.filter(state=State.WAITING, next_try_at__lte=clock())
    rows = list(due.order_by("next_try_at", "pk")[:limit])
    if not rows:
        return 0
    done, until = 0, time.monotonic() + ROUND_SECONDS
    with open_archive() as archive:
        for media in rows:
            if time.monotonic() > until:
                break
            done += _fetch(archive, media, clock)
    return done


def _fetch(archive: Archive, media: ArchivedMedia, clock: Clock) -> bool:
    """One file to its end; whether it is whole."""
    if _is_too_large(media.size):
        _end(media, State.TOO_LARGE)
        return False
    try:
        _fetch_slices(archive, media)
    except Misconfigured:
        raise
    except Refused as refusal:
        gone = refusal.code in (EXPIRED, GONE)
        _end(media, State.EXPIRED if gone else State.FAILED, token_of(refusal))
        return False
    except WeComError as error:
        _try_later(media, token_of(error), clock())
        return False
    if media.state == State.WAITING:
        _check(media, clock())
    return media.state == State.DONE


def _fetch_slices(archive: Archive, media: ArchivedMedia) -> None:
    path = media_path(media)
    path.parent.mkdir(parents=True, exist_ok=True)
    _cut_back(path, media)
    while True:
        chunk = archive.media(media.file_id, media.next_index)
        if _is_too_large(media.received + len(chunk.data)):
            _end(media, State.TOO_LARGE)
            return
        _append(path, media, chunk)
        if chunk.is_last:
            return


def _cut_back(path: Path, media: ArchivedMedia) -> None:
    """Make the file as long as the row says: a killed fetch may have written more, or lost it."""
    written = path.stat().st_size if path.exists() else 0
    if written < media.received:
        media.received, media.next_index = 0, ""
    with path.open("ab") as file:
        file.truncate(media.received)


def _append(path: Path, media: ArchivedMedia, chunk: MediaChunk) -> None:
    with path.open("ab") as file:
        file.write(chunk.data)
        file.flush()
        os.fsync(file.fileno())
    faults.point("archive.media_slice")
    media.received += len(chunk.data)
    media.next_index = chunk.next_index
    media.save(update_fields=["received", "next_index"])


def _check(media: ArchivedMedia, now: datetime) -> None:
    path = media_path(media)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    if media.md5 and found.hexdigest() != media.md5:
        media.received, media.next_index = 0, ""
        _try_later(media, WRONG_DIGEST, now)
        return
    media.size = media.received
    _end(media, State.DONE)


def _try_later(media: ArchivedMedia, problem: str, now: datetime) -> None:
    media.attempts += 1
    media.problem = problem
    if media.attempts >= MOST_ATTEMPTS:
        _end(media, State.FAILED, problem)
        return
    media.next_try_at = now + timedelta(seconds=15 * 4**media.attempts)
    media.save()


def _end(media: ArchivedMedia, state: str, problem: str = "") -> None:
    media.state, media.problem = state, problem
    media.save()
    if state != State.DONE:
        media_path(media).unlink(missing_ok=True)
        log.warning("archive file not fetched", media_id=media.pk, state=state, reason=problem)


def _is_too_large(size: int | None) -> bool:
    return size is not None and size > settings.ARCHIVE_MEDIA_BYTES
