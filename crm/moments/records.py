"""Recognising our own post in WeCom's list of moments."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.moments.content import record_digest
from crm.moments.models import Moment
from crm.outbox.models import OutboxItem
from crm.wecom.client import Client
from crm.wecom.moment_records import MomentSeen

# Clocks differ, and a request may be applied after we stopped waiting for it.
BEFORE, AFTER = timedelta(minutes=2), timedelta(minutes=10)


@dataclass(frozen=True)
class Match:
    """What the list tells: records that could be ours, and whether a later one of ours is there."""

    candidates: tuple[MomentSeen, ...]
    later_seen: bool
    listed: int
    rivals: int

    def evidence(self) -> dict:
        """For the person who may have to decide."""
        return {
            "listed": self.listed,
            "later_seen": self.later_seen,
            "rivals": self.rivals,
            "candidates": [
                {
                    "moment_id": seen.moment_id,
                    "created_at": seen.created_at.isoformat(),
                    "text": seen.text[:80],
                }
                for seen in self.candidates
            ],
        }


def find(item: OutboxItem, client: Client, *, now: datetime) -> Match:
    """Look for the post of an uncertain item, by content, in the window of its call."""
    since = item.called_at - BEFORE
    listed = [
        seen
        for seen in client.moments(since, max(now, item.called_at) + AFTER)
        if seen.is_corporate and not seen.creator
    ]
    known = set(
        Moment.unsafe_all.filter(wecom_moment_id__in=[seen.moment_id for seen in listed])
        .exclude(pk=item.subject_id)
        .values_list("wecom_moment_id", flat=True)
    )
    candidates = tuple(
        seen
        for seen in listed
        if seen.moment_id not in known
        and seen.created_at <= (item.call_deadline or item.called_at) + AFTER
        and _digest_of(seen) == item.digest
    )
    later = any(
        seen.moment_id in known and seen.created_at > (item.call_deadline or item.called_at)
        for seen in listed
    )
    return Match(candidates, later, len(listed), _rivals(item))


def _rivals(item: OutboxItem) -> int:
    """Other calls with the same content whose post is not known yet: its record could be theirs."""
    unknown = Moment.unsafe_all.filter(wecom_moment_id=None).values("pk")
    window = (item.called_at - AFTER, item.called_at + AFTER)
    return (
        OutboxItem.unsafe_all.filter(
            kind=item.kind, digest=item.digest, called_at__range=window, subject_id__in=unknown
        )
        .exclude(pk=item.pk)
        .exclude(state__in=[OutboxItem.State.FAILED, OutboxItem.State.SKIPPED])
        .exclude(subject_id=item.subject_id)
        .count()
    )


def _digest_of(seen: MomentSeen) -> str:
    return record_digest(
        text=seen.text,
        image_count=len(seen.image_ids),
        link_title=seen.link_title,
        link_url=seen.link_url,
        is_public=seen.is_public,
    )
