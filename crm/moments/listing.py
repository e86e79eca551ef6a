"""Every post that WeCom lists, ours and those that agents published of their own accord.

The planned posts of this room follow themselves; the list shows what customers saw besides.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from crm.agents.models import Agent
from crm.moments.models import ListedMoment
from crm.wecom.moment_records import MomentSeen

# How far the list is read back at first, and again every time: until then posts are deleted.
OLDEST, AGAIN = timedelta(days=180), timedelta(days=30)
LONGEST = timedelta(days=29, hours=23)


def windows(now: datetime) -> list[tuple[datetime, datetime]]:
    """The spans to list: everything WeCom may know at first, later the last days and any gap."""
    newest = ListedMoment.unsafe_all.order_by("-posted_at").values_list("posted_at", flat=True)
    last = newest.first()
    start = min(last, now) - AGAIN if last else now - OLDEST
    start, spans = max(start, now - OLDEST), []
    while start < now:
        end = min(start + LONGEST, now)
        spans.append((start, end))
        start = end
    return spans


@transaction.atomic
def keep_listed(posts: Iterable[MomentSeen], *, now: datetime) -> int:
    """Write the posts of a list; returns how many were new or changed."""
    listed = {post.moment_id: post for post in posts}
    known = {row.moment_id: row for row in ListedMoment.unsafe_all.filter(moment_id__in=listed)}
    userids = {post.creator for post in listed.values() if post.creator}
    agents = dict(Agent.unsafe_all.filter(userid__in=userids).values_list("userid", "pk"))
    changed = 0
    for moment_id, post in listed.items():
        row = known.get(moment_id) or ListedMoment(moment_id=moment_id)
        values = _values(post, agents)
        if row.pk is None or any(getattr(row, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(row, name, value)
            row.seen_at = now
            row.save()
            changed += 1
    return changed


def _values(post: MomentSeen, agents: dict[str, int]) -> dict[str, object]:
    return {
        "agent_id": agents.get(post.creator),
        "posted_at": post.created_at,
        "is_corporate": post.is_corporate,
        "is_public": post.is_public,
        "text": post.text,
        "images": len(post.image_ids),
        "has_video": bool(post.video_id),
        "link_title": post.link_title[:128],
        "link_url": post.link_url[:2048],
        "gone_at": None,
    }


def mark_gone(listed: Iterable[str], *, since: datetime, until: datetime, now: datetime) -> int:
    """Posts of a span that a *complete* list of it names no more were deleted; returns how many."""
    span = ListedMoment.unsafe_all.filter(posted_at__gte=since, posted_at__lte=until)
    return span.filter(gone_at=None).exclude(moment_id__in=set(listed)).update(gone_at=now)
