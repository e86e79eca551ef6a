"""The gross of the balance, one by one: relations and memberships, comings and goings, groups.

Beginnings and ends are found in the facts as the triggers count them (``analytics_standing_pool``):
a relation begins with the first fact that says so and ends with the first that says the opposite.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from analytics.figures.lines import Found, Lines
from analytics.figures.scope import scope_sql
from analytics.pool.balance import INS, OUTS, POOLS, BalanceQuestion, BalanceRefused
from analytics.standing.models import Link, Person, Pool
from crm.agents.models import Agent, User
from crm.groups.models import Group
from crm.shared.formatting import day as day_text
from crm.shared.formatting import moment
from crm.shared.times import day_end

WHATS = ("began", "ended", "standing", "groups", "came", "went")
_KINDS = {Pool.FRIENDS: (1, 2, 3, 4), Pool.GROUPS: (5, 6)}
# Of those who moved in the range, or for what stands, of everybody who ever did.
_FLIPS = """
with who as (
    select distinct m.customer_id from analytics_poolmove m
    where m.pool = %(pool)s and m.on_day <= %(until)s and m.on_day >= %(since)s and {scope}
), told as (
    select f.customer_id, f.at, f.id, f.kind_id, (f.kind_id in (1, 5))::int as comes,
           (f.at at time zone rule.zone)::date as on_day,
           coalesce(case when f.kind_id in (5, 6) then f.group_id else f.agent_id end, 0) as other,
           case when f.kind_id <> 6 then f.kind_id::int
                when f.properties @> '{{"dismissed": true}}' then 8
                when f.properties ->> 'quit_scene' = '1' then 7
                else 6 end as link
    from crm_fact f cross join analytics_standingrule rule
    where f.customer_id in (select customer_id from who) and f.kind_id = any(%(kinds)s)
), flips as (
    select *, comes - coalesce(lag(comes) over (
        partition by customer_id, other order by at, kind_id, id), 0) as change
    from told where on_day <= %(until)s
), changed as (
    select *, row_number() over (
        partition by customer_id, other order by at desc, kind_id desc, id desc) as back
    from flips where change <> 0
)
select id as key, customer_id, at, link, other from changed where {which}
"""
_WHICH = {
    "began": "change = 1 and on_day between %(since)s and %(until)s",
    "ended": "change = -1 and on_day between %(since)s and %(until)s",
    "standing": "change = 1 and back = 1",
}
_MOVES = """
select m.id as key, m.customer_id, m.on_day as at, m.link::int as link, m.person::int as other
from analytics_poolmove m
where m.pool = %(pool)s and m.on_day between %(since)s and %(until)s and {scope}
    and m.person = any(%(persons)s) and m.link = any(%(links)s)
"""
_STANDING_GROUPS = """
select id as key, null::bigint as customer_id, opened_at as at, 0 as link, id as other
from crm_group where id in ({seen})
"""
_EVER = date(1970, 1, 1)


def lines_behind(
    question: BalanceQuestion, *, user: User, what: str, on: date | None = None
) -> Lines:
    """The lines behind a number of one day, or without a day of the whole range.

    ``what`` is one of ``WHATS`` or the code of a reason. What stands, and groups, are those at the
    end of the day.
    """
    if on and not question.since <= on <= question.until:
        raise BalanceRefused(_("没有这个数字，请从报表页点开"), field="on")
    since, until = (on, on) if on else (question.since, question.until)
    if what == "groups":
        return _groups(user, until)
    if what in _WHICH:
        return _links(question, what, _EVER if what == "standing" else since, until, user)
    return _moves(question, what, since, until, user)


def _links(question: BalanceQuestion, what: str, since: date, until: date, user: User) -> Lines:
    pool = POOLS[question.pool]
    scope, params = scope_sql(user, "m.customer_id")
    params |= {"pool": pool, "kinds": list(_KINDS[pool]), "since": since, "until": until}
    return Lines(
        _FLIPS.format(scope=scope, which=_WHICH[what]),
        params,
        heads=(_("时间"), _("发生了什么"), _("员工") if pool == Pool.FRIENDS else _("客户群")),
        tell=lambda rows: _links_told(rows, pool, user),
    )


def _moves(question: BalanceQuestion, what: str, since: date, until: date, user: User) -> Lines:
    persons, links = _reason(question, what)
    scope, params = scope_sql(user, "m.customer_id")
    params |= {"pool": POOLS[question.pool], "since": since, "until": until}
    return Lines(
        _MOVES.format(scope=scope),
        params | {"persons": persons, "links": links},
        heads=(_("日期"), _("发生了什么"), _("对客户的意义")),
        tell=_moves_told,
    )


def _reason(question: BalanceQuestion, what: str) -> tuple[list[int], list[int]]:
    """What a person's move means, and by what it came about."""
    every = [int(link) for link in Link]
    if what == "came":
        return [int(person) for person in INS.values()], every
    if what == "went":
        return [int(Person.OUT)], every
    if what in question.ins:
        return [int(INS[what])], every
    if what in question.outs:
        return [int(Person.OUT)], [int(OUTS[question.pool][what])]
    raise BalanceRefused(_("没有这个数字，请从报表页点开"), field="what")


def groups_on(user: User, day: date) -> Any:
    """Groups in the viewer's scope that were not dismissed at the end of a day."""
    end = day_end(day)
    standing = Q(dismissed_at__isnull=True) | Q(dismissed_at__gt=end)
    return Group.objects.for_user(user).filter(standing, opened_at__lt=end)


def _groups(user: User, day: date) -> Lines:
    statement, values = groups_on(user, day).order_by().values("pk").query.sql_with_params()
    params = {f"group{place}": value for place, value in enumerate(values)}
    seen = statement % tuple(f"%({name})s" for name in params)
    return Lines(
        _STANDING_GROUPS.format(seen=seen),
        params,
        heads=(_("建群时间"),),
        tell=lambda rows: [(moment(row.at),) for row in rows],
        of_things=_groups_named,
    )


def _groups_named(rows: Sequence[Found]) -> list[tuple[str, str]]:
    known = Group.unsafe_all.in_bulk([row.key for row in rows])
    return [(str(known[row.key]), reverse("crm:groups:detail", args=[row.key])) for row in rows]


def _links_told(rows: Sequence[Found], pool: Pool, user: User) -> list[tuple[str, ...]]:
    wanted = {row.other for row in rows}
    if pool == Pool.FRIENDS:
        names = dict(Agent.unsafe_all.filter(pk__in=wanted).values_list("pk", "name"))
    else:
        seen = Group.objects.for_user(user).filter(pk__in=wanted)
        names = {group.pk: str(group) for group in seen}
    unknown = _("未知") if pool == Pool.FRIENDS else _("您看不到的群")
    return [
        (moment(row.at), str(Link(row.link).label), names.get(row.other, unknown)) for row in rows
    ]


def _moves_told(rows: Sequence[Found]) -> list[tuple[str, ...]]:
    return [
        (day_text(row.at), str(Link(row.link).label), str(Person(row.other).label)) for row in rows
    ]
