"""How the archive is doing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.archive.models import ArchivedMedia, ArchivedMessage, ArchiveProgress
from crm.wecom.archive import is_configured


@dataclass(frozen=True)
class ArchiveHealth:
    """Whether what is said arrives here in time."""

    last_success_at: datetime | None
    newest_at: datetime | None
    caught_up_at: datetime | None
    seconds: float | None
    lag: timedelta | None
    is_late: bool
    error: str  # A token, see ``crm.wecom.errors.words_for``.
    messages: int
    sealed: int
    media_waiting: int
    media_failed: int


def archive_health(now: datetime) -> ArchiveHealth | None:
    """The state of the archive; None where the corporation has none."""
    if not is_configured():
        return None
    progress = ArchiveProgress.objects.filter(pk=1).first()
    lag = progress.lag(now) if progress else None
    media = ArchivedMedia.objects
    failed = (ArchivedMedia.State.FAILED, ArchivedMedia.State.EXPIRED)
    return ArchiveHealth(
        last_success_at=progress.pulled_at if progress else None,
        newest_at=progress.newest_at if progress else None,
        caught_up_at=progress.caught_up_at if progress else None,
        seconds=progress.seconds if progress else None,
        lag=lag,
        is_late=lag is not None and lag > ArchiveProgress.ALARM_AFTER,
        error=progress.error if progress else "",
        messages=ArchivedMessage.unsafe_all.count(),
        sealed=ArchivedMessage.unsafe_all.filter(sealed__isnull=False).count(),
        media_waiting=media.filter(state=ArchivedMedia.State.WAITING).count(),
        media_failed=media.filter(state__in=failed).count(),
    )
