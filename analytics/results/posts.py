"""Posts to Moments and what followed: by account over some days, and by person for one of ours.

Here nobody was kept from seeing it: what its viewers did afterwards is told, and never called its
effect. What is judged are deletions, against the account's own past. A post for which a control was
drawn is judged in ``moment_judging``.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from analytics.results.aftermath import WINDOW, Aftermath, Start, aftermath
from crm.agents.models import User
from crm.customers.models import Customer
from crm.moments.models import ListedMoment, Moment, MomentReaction, MomentTask

RANGES = (30, 90)
DEFAULT_RANGE = 30
WARNED_FROM = 3
"""Posts with more deletions than usual from which an account should pause."""

# Money is what was paid less what went back, from when one could first see the post.
_VIEWERS = """
with viewers as (
    select a.customer_id, min(coalesce(t.published_at, a.seen_at)) as since
    from crm_momentaudience a join crm_momenttask t on t.id = a.task_id
    where t.moment_id = %(moment)s
    group by a.customer_id
)
select v.customer_id,
    coalesce(bool_or(k.code = 'message_received'), false),
    coalesce(bool_or(k.code = 'order_paid'), false),
    coalesce(bool_or(k.code = 'friend_deleted_by_customer'
                     and f.at < v.since + interval '48 hours'), false),
    coalesce(sum(case k.code when 'order_paid' then f.amount_cents
                             when 'order_refunded' then -abs(f.amount_cents) end), 0)::bigint
from viewers v
left join crm_fact f on f.customer_id = v.customer_id
    and f.at >= v.since and f.at < v.since + make_interval(days => %(days)s)
left join crm_factkind k on k.id = f.kind_id
group by v.customer_id
order by v.customer_id
"""
OUTCOMES = ("visible", "liked", "commented", "replied", "ordered", "deleted")


@dataclass(frozen=True)
class Post:
    """One publication by one account; ``moment_id`` where it was planned here."""

    key: tuple[str, int]
    agent_id: int
    at: datetime
    words: str
    moment_id: int | None


@dataclass(frozen=True)
class Account:
    """An account's posts of some days, latest first, each with what followed."""

    agent_id: int
    agent: str
    posts: tuple[tuple[Post, Aftermath], ...]

    @property
    def risky(self) -> list[tuple[Post, Aftermath]]:
        """Posts after which more people left than usual."""
        return [(post, after) for post, after in self.posts if after.is_high]

    @property
    def is_warned(self) -> bool:
        return len(self.risky) >= WARNED_FROM

    @property
    def people(self) -> list[int]:
        """Ascending ids of whoever deleted the account within 48 hours of any of these posts."""
        return sorted({pk for _post, after in self.posts for pk in after.people})

    @property
    def usual(self) -> float:
        """How many would have, had every post been like the weeks before it."""
        return sum(after.usual for _post, after in self.posts)


@dataclass(frozen=True)
class Viewers:
    """Of one moment, within the viewer's scope: ascending ids by what they did, and the money."""

    people: dict[str, list[int]]
    net_cents: int


def posts(user: User, *, since: datetime, until: datetime) -> list[Post]:
    """What accounts in scope published in [since, until): planned here or by themselves."""
    tasks = MomentTask.objects.for_user(user).filter(
        is_published=True, published_at__gte=since, published_at__lt=until
    )
    planned = [
        Post(("task", pk), agent_id, at, title, moment_id)
        for pk, agent_id, at, title, moment_id in tasks.values_list(
            "pk", "agent_id", "published_at", "moment__title", "moment_id"
        )
    ]
    own = ListedMoment.objects.for_user(user).filter(
        agent__isnull=False, is_corporate=False, posted_at__gte=since, posted_at__lt=until
    )
    return planned + [
        Post(("listed", pk), agent_id, at, text[:40], None)
        for pk, agent_id, at, text in own.values_list("pk", "agent_id", "posted_at", "text")
    ]


def accounts(user: User, *, days: int, now: datetime) -> list[Account]:
    """Accounts with posts of the last ``days`` days whose 48 hours are over, warned ones first."""
    until = now - WINDOW
    found = {
        post.key: post for post in posts(user, since=until - timedelta(days=days), until=until)
    }
    starts = [Start(post.key, post.agent_id, post.at) for post in found.values()]
    by_agent: dict[tuple[int, str], list[tuple[Post, Aftermath]]] = defaultdict(list)
    for row in aftermath(starts, user):
        by_agent[row.agent_id, row.agent].append((found[row.start.key], row))
    rows = [
        Account(pk, name, tuple(sorted(pairs, key=lambda pair: pair[0].at, reverse=True)))
        for (pk, name), pairs in by_agent.items()
    ]
    return sorted(rows, key=lambda row: (-len(row.risky), row.usual - len(row.people), row.agent))


def viewers(moment: Moment, *, days: int, user: User) -> Viewers:
    """What those did who could see a moment, from then on for ``days`` days."""
    with connection.cursor() as cursor:
        cursor.execute(_VIEWERS, {"moment": moment.pk, "days": days})
        told = cursor.fetchall()
    reacted: dict[str, set[int]] = defaultdict(set)
    reactions = MomentReaction.unsafe_all.filter(task__moment=moment)
    for customer_id, kind in reactions.values_list("customer_id", "kind"):
        reacted[kind].add(customer_id)
    known = {row[0] for row in told} | set().union(*reacted.values())
    seen = set(Customer.objects.for_user(user).filter(pk__in=known).values_list("pk", flat=True))
    rows = [row for row in told if row[0] in seen]
    return Viewers(
        people={
            "visible": [row[0] for row in rows],
            "liked": sorted(reacted["like"] & seen),
            "commented": sorted(reacted["comment"] & seen),
            "replied": _who(rows, 1),
            "ordered": _who(rows, 2),
            "deleted": _who(rows, 3),
        },
        net_cents=sum(row[4] for row in rows),
    )


def _who(rows: Sequence[tuple], place: int) -> list[int]:
    return [row[0] for row in rows if row[place]]
