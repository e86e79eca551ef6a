"""Objects that keep themselves up to date and only report here, such as the archive.

Such a room tells its state as a ``FeedState``; adding it to ``FEEDS`` puts it on the health page
and among the problems that Today names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from crm.archive.models import ArchiveProgress
from crm.archive.queries import archive_health


@dataclass(frozen=True)
class FeedState:
    """How a feed is doing; ``error`` is a token or words, see ``crm.wecom.errors.words_for``."""

    last_success_at: datetime | None
    late_after: timedelta
    next_due_at: datetime | None = None
    seconds: float | None = None
    rows: int = 0
    lag: timedelta | None = None
    error: str = ""
    is_running: bool = False


@dataclass(frozen=True)
class Feed:
    """``state`` answers None where the feed is not in use."""

    name: str
    label: Any
    state: Callable[[datetime], FeedState | None]


def _archive(now: datetime) -> FeedState | None:
    health = archive_health(now)
    if health is None:
        return None
    return FeedState(
        last_success_at=health.last_success_at,
        late_after=ArchiveProgress.ALARM_AFTER,
        next_due_at=now + ARCHIVE_EVERY,
        seconds=health.seconds,
        rows=health.messages,
        lag=health.lag,
        error=health.error,
    )


ARCHIVE_EVERY = timedelta(seconds=15)
FEEDS: list[Feed] = [Feed("archive", _("会话存档"), _archive)]
