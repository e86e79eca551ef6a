"""What a post in groups (群发到客户群) was followed by: talk, and exits against each group's usual.

Exits are those of customers who left of themselves within 24 hours, and in each 24 hours of the
four weeks before, or since the group was opened where that is later. Groups differ, so each one is
measured against itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count

from analytics.charts.rates import Rate
from analytics.figures.scope import scope_sql
from analytics.results.aftermath import ALARM, excess_p
from crm.agents.models import User
from crm.archive.models import ArchivedMessage
from crm.customers.models import Customer
from crm.outreach.models import MassRecipient, MassSend
from crm.wecom.mass_records import MassStatus

GROUP_POST_VERSION = 1
AFTER = timedelta(hours=24)
BEFORE_WINDOWS = 28
WHATS = ("members", "spoke", "left")

# {posts}: groups, and when it was posted there; {scope}: customers whom the viewer may see.
_POSTS = "unnest(%(groups)s::bigint[], %(times)s::timestamptz[]) as p(group_id, at)"
_MEMBERS = """
select p.group_id, array_agg(distinct m.customer_id order by m.customer_id)
from {posts}
join crm_membership m on m.group_id = p.group_id
    and m.joined_at <= p.at and (m.left_at is null or m.left_at > p.at)
where m.customer_id is not null and {scope}
group by p.group_id
"""
_EXITS = """
select p.group_id, array_agg(distinct f.customer_id order by f.customer_id)
        filter (where f.at >= p.at),
    count(*) filter (where f.at < p.at)
from {posts}
join crm_fact f on f.group_id = p.group_id
    and f.at >= p.at - %(before)s::interval and f.at < p.at + %(after)s::interval
where f.kind_id = (select id from crm_factkind where code = 'group_left')
    and f.at >= %(first)s and f.at < %(last)s
    and not coalesce((f.properties ->> 'dismissed')::boolean, false)
    and f.properties ->> 'quit_scene' is distinct from '1' and {scope}
group by p.group_id
"""


@dataclass(frozen=True)
class GroupPost:
    """One group of a send. Where it is not confirmed nothing followed, so the rest is None.

    ``messages`` is None where the archive knows nothing of the group. ``usual`` is the mean in 24
    hours; None, like ``p_value``, for groups that are younger than a day.
    """

    group_id: int
    group: str
    agent: str
    outcome: tuple[str, str, int | None]
    at: datetime | None
    is_over: bool
    members: tuple[int, ...] | None = None
    left: tuple[int, ...] | None = None
    spoke: tuple[int, ...] | None = None
    messages: int | None = None
    usual: float | None = None
    p_value: float | None = None

    @property
    def is_confirmed(self) -> bool:
        return self.at is not None

    @property
    def is_high(self) -> bool:
        """More left than usually do; said only when the 24 hours are over."""
        if not self.is_over or self.p_value is None or self.left is None:
            return False
        return self.p_value < ALARM and len(self.left) > (self.usual or 0)

    @property
    def share(self) -> Rate | None:
        """Of the members at the time, how many left; whoever joined later does not count."""
        if self.members is None or self.left is None:
            return None
        return Rate(len(set(self.left) & set(self.members)), len(self.members))

    def people(self, what: str) -> tuple[int, ...]:
        """Ascending ids behind a number; see ``WHATS``."""
        return getattr(self, what) or ()

    def as_json(self) -> dict[str, Any]:
        """The group as the API prints it."""
        state, reason, result = self.outcome
        return {
            "group": self.group_id,
            "name": self.group,
            "agent": self.agent,
            "state": state,
            "reason": reason,
            "result": result,
            "is_confirmed": self.is_confirmed,
            "at": self.at,
            "is_over": self.is_over,
            "members": _count(self.members),
            "messages": self.messages,
            "spoke": _count(self.spoke),
            "left": _count(self.left),
            "usual": self.usual,
            "p_value": self.p_value,
            "share": self.share.as_json() if self.share else None,
            "is_high": self.is_high,
        }


def group_posts(send: MassSend, *, user: User, now: datetime) -> list[GroupPost]:
    """Groups in scope, most alarming first; those where it was not posted last."""
    rows = MassRecipient.objects.for_user(user).filter(send=send, group__isnull=False)
    told = list(rows.select_related("group", "agent", "batch"))
    times = {row.group_id: _posted_at(row) for row in told}
    posted = {group: at for group, at in times.items() if at is not None}
    members, exits = _members(posted, user), _exits(posted, user)
    talk = _talk(posted, user)
    found = [
        _post(row, times[row.group_id], members, exits, talk.get(row.group_id), now) for row in told
    ]
    return sorted(found, key=_alarm)


def everybody(found: list[GroupPost], what: str) -> list[int]:
    """Ascending ids of one kind over all groups, each once."""
    return sorted({pk for row in found for pk in row.people(what)})


def _alarm(row: GroupPost) -> tuple:
    p_value = 1.0 if row.p_value is None else row.p_value
    return not row.is_confirmed, p_value, -len(row.left or ()), row.group_id


def _posted_at(row: MassRecipient) -> datetime | None:
    """When it stood in the group; None until WeCom says that it does."""
    if row.result != MassStatus.SENT:
        return None
    confirmed = row.batch.confirmed_at if row.batch else None
    return row.sent_at or confirmed or row.send.send_at


def _post(
    row: MassRecipient,
    at: datetime | None,
    members: dict[int, tuple[int, ...]],
    exits: dict[int, tuple[tuple[int, ...], int]],
    talk: tuple[int, tuple[int, ...]] | None,
    now: datetime,
) -> GroupPost:
    outcome = (row.state, row.reason, row.result)
    agent = row.agent.name if row.agent else ""
    if at is None:
        return GroupPost(row.group_id, str(row.group), agent, outcome, None, False)
    left, before = exits.get(row.group_id, ((), 0))
    windows = min(float(BEFORE_WINDOWS), (at - row.group.opened_at) / AFTER)
    is_known = windows >= 1
    return GroupPost(
        group_id=row.group_id,
        group=str(row.group),
        agent=agent,
        outcome=outcome,
        at=at,
        is_over=now >= at + AFTER,
        members=members.get(row.group_id, ()),
        left=left,
        spoke=None if talk is None else talk[1],
        messages=None if talk is None else talk[0],
        usual=before / windows if is_known else None,
        p_value=excess_p(len(left), before, windows=windows) if is_known else None,
    )


def _members(posted: dict[int, datetime], user: User) -> dict[int, tuple[int, ...]]:
    return {group: tuple(ids) for group, ids in _ask(_MEMBERS, "m.customer_id", posted, user)}


def _exits(posted: dict[int, datetime], user: User) -> dict[int, tuple[tuple[int, ...], int]]:
    told = _ask(_EXITS, "f.customer_id", posted, user)
    return {group: (tuple(ids or ()), before) for group, ids, before in told}


def _ask(statement: str, column: str, posted: dict[int, datetime], user: User) -> list[tuple]:
    if not posted:
        return []
    scope, named = scope_sql(user, column)
    before = BEFORE_WINDOWS * AFTER
    values = named | {
        "groups": list(posted),
        "times": list(posted.values()),
        "before": before,
        "after": AFTER,
        "first": min(posted.values()) - before,
        "last": max(posted.values()) + AFTER,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement.format(posts=_POSTS, scope=scope), values)
        return cursor.fetchall()


def _talk(posted: dict[int, datetime], user: User) -> dict[int, tuple[int, tuple[int, ...]]]:
    """By group: messages of customers in the 24 hours after, and who wrote them.

    Counted, never read: of those who agreed to the archive. A group of whose talk the archive has
    nothing, before or after, is missing.
    """
    if not posted:
        return {}
    first, last = min(posted.values()) - BEFORE_WINDOWS * AFTER, max(posted.values()) + AFTER
    said = ArchivedMessage.unsafe_all.consented().filter(
        group__in=posted, said_at__gte=first, said_at__lt=last, action="send"
    )
    known = set(said.values_list("group_id", flat=True).distinct())
    talk = said.filter(by_customer=True, customer__in=Customer.objects.for_user(user))
    talk = talk.exclude(kind__in=("agree", "disagree"))
    found = {}
    for group in known:
        at = posted[group]
        after = talk.filter(group_id=group, said_at__gte=at, said_at__lt=at + AFTER).order_by()
        counted = dict(after.values_list("customer_id").annotate(n=Count("pk")))
        found[group] = (sum(counted.values()), tuple(sorted(counted)))
    return found


def _count(people: tuple[int, ...] | None) -> int | None:
    return None if people is None else len(people)
