"""How many rows WeCom lists and how many stand here once a set is applied, and why they differ."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent, Department
from crm.customers.models import Tag
from crm.groups.models import Group, Membership
from crm.moments.models import ListedMoment
from crm.statistics.models import AgentDay, Day, OwnerDay
from crm.sync.models import SyncObject, SyncRun

SAMPLE = 20

REASONS = {
    "still_listed": _("客户已删除员工，企业微信仍列出"),
    "newer": _("读取期间有新的变化，下次同步再比"),
    "left_out": _("员工没有接口许可，企业微信没有列出其客户"),
    "not_asked": _("员工没有客户联系权限，企业微信没有列出其客户"),
    "outside_scope": _("不在应用可见范围内的员工"),
    "not_listed": _("企业微信没有列出"),
    "not_here": _("本地没有"),
    "group_members": _("群成员人数不同"),
    "not_counted": _("企业微信尚未生成统计（夜间为零），稍后再问"),
    "nobody_to_ask": _("员工已离职、不可见或没有客户联系权限，企业微信不给统计"),
}


@dataclass(frozen=True)
class Remainder:
    """A difference that stays: why, how many rows, and the first of them by number."""

    reason: str
    count: int
    ids: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"reason": self.reason, "count": self.count, "ids": list(self.ids[:SAMPLE])}


@dataclass(frozen=True)
class Count:
    """Rows there, rows here, and what explains the difference."""

    remote: int
    local: int
    remains: tuple[Remainder, ...] = ()


def count(run: SyncRun) -> Count:
    """Compare the applied set with our rows; call it before the pages are thrown away."""
    return _COUNTS[run.object](run)


def _items(run: SyncRun) -> Iterable[Any]:
    for items in run.staged.values_list("items", flat=True).iterator(chunk_size=20):
        yield from items


def _departments(run: SyncRun) -> Count:
    local = Department.objects.filter(is_active=True).count()
    return Count(len({row["id"] for row in _items(run)}), local)


def _members(run: SyncRun) -> Count:
    listed = {row["userid"] for row in _items(run)}
    here = dict(Agent.unsafe_all.active().values_list("userid", "pk"))
    strangers = sorted(here[userid] for userid in here.keys() - listed)
    return Count(len(listed), len(here), _remains(("outside_scope", strangers)))


def _tags(run: SyncRun) -> Count:
    listed = {tag["id"] for group in _items(run) for tag in group.get("tag") or []}
    here = dict(Tag.objects.filter(is_deleted=False).values_list("wecom_id", "pk"))
    extra = sorted(here[key] for key in here.keys() - listed)
    lacking = [0] * len(listed - here.keys())
    return Count(len(listed), len(here), _remains(("not_listed", extra), ("not_here", lacking)))


_RELATIONS = """
with listed as materialized (
    select distinct item -> 'external_contact' ->> 'external_userid' as external_userid,
           item -> 'follow_info' ->> 'userid' as userid
    from crm_stagedpage page
    cross join lateral jsonb_array_elements(page.items) item
    where page.run_id = %(run)s
), here as (
    select customer.external_userid, agent.userid, contact.status, contact.customer_id,
           contact.synced_at
    from crm_contact contact
    join crm_customer customer on customer.id = contact.customer_id
    join crm_agent agent on agent.id = contact.agent_id
), compared as (
    select listed.userid is not null as is_listed,
           coalesce(here.status = 'active', false) as is_here,
           here.customer_id,
           case
               when listed.userid is null and here.userid = any(%(left_out)s) then 'left_out'
               when listed.userid is null and not here.userid = any(%(asked)s) then 'not_asked'
               when here.status = 'deleted_by_customer' then 'still_listed'
               when here.customer_id is null then 'not_here'
               else 'newer'
           end as reason
    from listed
    full join here using (external_userid, userid)
    where listed.userid is not null or here.status = 'active'
)
select case when is_listed and is_here then '' else reason end as why,
       count(*) filter (where is_listed), count(*) filter (where is_here), count(*),
       (array_agg(customer_id order by customer_id) filter (where not (is_listed and is_here)))[:20]
from compared
group by why
order by why
"""


def _relations(run: SyncRun) -> Count:
    asked = [userid for part in run.parts or [] for userid in part]
    parameters = {"run": run.pk, "asked": asked, "left_out": run.left_out}
    with connection.cursor() as cursor:
        cursor.execute(_RELATIONS, parameters)
        rows = cursor.fetchall()
    remains = tuple(
        Remainder(why, n, tuple(pk for pk in ids or () if pk))
        for why, _l, _h, n, ids in rows
        if why
    )
    return Count(sum(row[1] for row in rows), sum(row[2] for row in rows), remains)


def _groups(run: SyncRun) -> Count:
    members = {item["chat_id"]: len(item.get("member_list") or []) for item in _items(run)}
    here = dict(Group.unsafe_all.current().values_list("chat_id", "pk"))
    extra = sorted(here[key] for key in here.keys() - members.keys())
    lacking = [0] * len(members.keys() - here.keys())
    stays = Membership.unsafe_all.current().filter(group__chat_id__in=members).count()
    differing = Remainder("group_members", abs(stays - sum(members.values())))
    remains = _remains(("not_listed", extra), ("not_here", lacking))
    return Count(len(members), len(here), remains + ((differing,) if differing.count else ()))


def _moments(run: SyncRun) -> Count:
    listed = {item["moment_id"] for item in _items(run)}
    if not run.parts:
        return Count(0, 0)
    span = (run.parts[0][0], run.parts[-1][1])
    standing = ListedMoment.unsafe_all.standing().filter(posted_at__range=span)
    here = dict(standing.values_list("moment_id", "pk"))
    extra = sorted(here[key] for key in here.keys() - listed)
    lacking = [0] * len(listed - here.keys())
    return Count(len(listed), len(here), _remains(("not_listed", extra), ("not_here", lacking)))


def _days(model: type[Day]) -> Callable[[SyncRun], Count]:
    def counted(run: SyncRun) -> Count:
        listed = {(item["userid"], item["day_at"]) for item in _items(run)}
        stored = model.unsafe_all.filter(agent__userid__in={userid for userid, _on in listed})
        if listed:
            stored = stored.filter(day_on__gte=min(on for _userid, on in listed))
        rows = list(stored.values_list("agent__userid", "day_on", "is_settled"))
        here = {(userid, on.isoformat()) for userid, on, _settled in rows} & listed
        zeros = sum(not settled for _userid, _on, settled in rows)
        remains = _remains(
            ("not_here", [0] * len(listed - here)),
            ("not_counted", [0] * zeros),
            ("nobody_to_ask", [0] * len(run.left_out)),
        )
        return Count(len(listed), len(here), remains)

    return counted


def _remains(*found: tuple[str, list[int]]) -> tuple[Remainder, ...]:
    return tuple(
        Remainder(reason, len(ids), tuple(pk for pk in ids if pk)) for reason, ids in found if ids
    )


_COUNTS: dict[str, Callable[[SyncRun], Count]] = {
    SyncObject.DEPARTMENTS: _departments,
    SyncObject.MEMBERS: _members,
    SyncObject.TAGS: _tags,
    SyncObject.CUSTOMERS: _relations,
    SyncObject.GROUPS: _groups,
    SyncObject.MOMENTS: _moments,
    SyncObject.AGENT_DAYS: _days(AgentDay),
    SyncObject.OWNER_DAYS: _days(OwnerDay),
}
