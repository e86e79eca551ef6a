"""Who gets it from whom, and who does not and why: set-based, so that 100,000 take seconds.

The sender of a customer is the active agent among their friends who talked with them last (a
message either way, or becoming friends), as WeCom itself would choose. Everybody of the audience
gets a row; whoever is left out carries the reason, with the rule and its version. The control is
drawn last, from those whom nothing else keeps out, before anybody is touched: in each life stage
the same share, in the order of a hash of the send's salt, so that the draw can be made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from crm.content.models import Material
from crm.gate.models import ContentKind
from crm.gate.scene import IN_SCENE, scene_at
from crm.outreach.caps import window_at
from crm.outreach.gate import judged as gate_of
from crm.outreach.models import MassSend
from crm.shared.times import local_day
from crm.timeline.catalogue import KINDS
from crm.trials.layers import NO_LAYERS, layers_for
from crm.wecom.limits import limits

_TALKS = tuple(kind.id for kind in KINDS if kind.code in ("message_received", "message_sent"))

# {wanted}: ids of customers. Several friends: the latest talk decides, looked up for these alone.
_CUSTOMERS = """
with wanted as ({wanted}), friends as (
    select c.customer_id, c.agent_id, c.added_at, a.status = 'active' as is_able,
        count(*) filter (where a.status = 'active') over (partition by c.customer_id) as able
    from wanted
    join crm_contact c on c.customer_id = wanted.id and c.status = 'active'
    join crm_agent a on a.id = c.agent_id
), talks as (
    select f.customer_id, f.agent_id, max(f.at) as at
    from friends
    join crm_fact f on f.customer_id = friends.customer_id and f.agent_id = friends.agent_id
    where friends.is_able and friends.able > 1 and f.kind_id = any(%(talks)s) and f.at <= %(now)s
    group by f.customer_id, f.agent_id
), senders as (
    select distinct on (customer_id) customer_id, agent_id
    from friends left join talks using (customer_id, agent_id)
    where is_able
    order by customer_id, greatest(talks.at, added_at) desc, agent_id
), received as (
    select s.customer_id, count(*) as n
    from wanted join crm_sendslot s on s.customer_id = wanted.id
    where s.day between %(first)s and %(last)s
    group by s.customer_id
), told as (
    {told_customers}
), able as (
    select wanted.id as customer_id, senders.agent_id, cu.stage,
        case
            when o.customer_id is not null then 'opted_out'
            when cu.external_userid is null
              or not exists (select from friends f where f.customer_id = wanted.id)
                then 'not_friend'
            when senders.agent_id is null then 'no_sender'
            when coalesce(received.n, 0) >= %(cap)s then 'cap'
            when told.customer_id is not null then 'recent'
            else ''
        end as kept_out
    from wanted
    join crm_customer cu on cu.id = wanted.id
    left join senders on senders.customer_id = wanted.id
    left join received on received.customer_id = wanted.id
    left join crm_optout o on o.customer_id = wanted.id
    left join told on told.customer_id = wanted.id
), gated as (
    select wanted.*, case wanted.kept_out when '' then {gate} else 0 end as place
    from (select able.*, customer_id as id from able) wanted
), ruled as (
    select customer_id, agent_id, stage,
        case when place > 0 then (%(gate_reasons)s::text[])[place] else kept_out end as reason,
        case when place > 0 then (%(gate_codes)s::text[])[place] else '' end as rule,
        case when place > 0 then (%(gate_versions)s::int[])[place]
             when kept_out = 'cap' then %(version)s::int end as rule_version
    from gated
), placed as (
    select ruled.*, row_number() over (
            partition by reason, stage order by md5(%(salt)s || ':' || customer_id)) as place,
        ('x' || left(md5(%(salt)s || ':' || stage), 8))::bit(32)::bigint / 4294967296.0 as shift
    from ruled
), judged as (
    select customer_id, null::bigint as group_id, agent_id, rule, rule_version,
        case when reason = '' and floor(place * %(share)s::numeric + shift)
                  > floor((place - 1) * %(share)s::numeric + shift)
            then 'control' else reason end as reason
    from placed
)
"""

_GROUPS = """
with wanted as ({wanted}), received as (
    select s.group_id, count(*) as n
    from wanted join crm_sendslot s on s.group_id = wanted.id
    where s.day between %(first)s and %(last)s
    group by s.group_id
), told as (
    {told_groups}
), able as (
    select g.id, a.id as agent_id,
        case
            when g.dismissed_at is not null then 'dismissed'
            when a.id is null then 'no_sender'
            when coalesce(received.n, 0) >= %(cap)s then 'cap'
            when told.group_id is not null then 'recent'
            else ''
        end as kept_out
    from wanted
    join crm_group g on g.id = wanted.id
    left join crm_agent a on a.id = g.owner_id and a.status = 'active'
    left join received on received.group_id = g.id
    left join told on told.group_id = g.id
), gated as (
    select wanted.*, case wanted.kept_out when '' then {gate} else 0 end as place
    from able wanted
), judged as (
    select null::bigint as customer_id, id as group_id, agent_id,
        case when place > 0 then (%(gate_reasons)s::text[])[place] else kept_out end as reason,
        case when place > 0 then (%(gate_codes)s::text[])[place] else '' end as rule,
        case when place > 0 then (%(gate_versions)s::int[])[place]
             when kept_out = 'cap' then %(version)s::int end as rule_version
    from gated
)
"""

# Who gets the same material from another send within its interval, before or after.
_TOLD = """
    select distinct r.{who}
    from crm_masssend s join crm_massrecipient r on r.send_id = s.id
    where s.material_id = %(material)s and s.id is distinct from %(send)s::bigint
        and s.send_at > %(told_after)s and s.send_at < %(told_before)s
        and s.state <> 'draft' and r.{who} is not null
        and (r.state = 'done' or r.state in ('waiting', 'parked') and s.state <> 'stopped')
"""
_TOLD_CUSTOMERS, _TOLD_GROUPS = _TOLD.format(who="customer_id"), _TOLD.format(who="group_id")
_READ_LATELY = """
select count(*) from crm_massrecipient mine
where mine.send_id = %(send)s and mine.state = 'waiting'
    and ({mine} in ({told}))
"""

_MEMBERS = "select customer_id as id from crm_audiencemember where audience_id = %(audience)s"
_CHOSEN = "select group_id as id from crm_masssend_groups where masssend_id = %(send)s"
_NAMED = "select unnest(%(ids)s::bigint[]) as id"

# In the order of ids, so many to a batch. Rows are written once, their batch being there already.
_PLACE = """
drop table if exists pg_temp.mass_plan;
create temporary table mass_plan on commit drop as
{judged}
select customer_id, group_id, agent_id, reason, rule,
    case when reason in ('', 'control') then null else rule_version end as rule_version,
    case reason when '' then (row_number() over (
        partition by agent_id, reason order by coalesce(customer_id, group_id)) - 1) / %(size)s
    end as number
from judged
"""

_BATCHES = """
insert into crm_massbatch (send_id, agent_id, number, size, state, reason, reminders, follow_error)
select %(send)s, agent_id, number, count(*), 'planned', '', 0, ''
from mass_plan where reason = ''
group by agent_id, number order by agent_id, number
"""

_RECIPIENTS = """
insert into crm_massrecipient
    (send_id, customer_id, group_id, agent_id, batch_id, state, reason, rule, rule_version,
     in_scene, stage, layer)
select %(send)s, p.customer_id, p.group_id, p.agent_id, b.id,
    case p.reason when '' then 'waiting' else 'skipped' end, p.reason, p.rule, p.rule_version,
    case when p.customer_id is not null then {in_scene} end, coalesce(who.stage, ''),
    coalesce(layers.layer, '')
from mass_plan p
left join crm_customer who on who.id = p.customer_id
left join ({layers}) layers on layers.customer_id = p.customer_id
left join crm_massbatch b on b.send_id = %(send)s and b.agent_id = p.agent_id
    and b.number = p.number
order by p.agent_id, coalesce(p.customer_id, p.group_id)
"""

_COUNT = "select reason, count(*), count(distinct agent_id) from judged group by reason"
_OUTSIDE = "select count(*) from judged where reason = '' and not {in_scene}"
_BY_AGENT = """
select a.name, count(*) from judged join crm_agent a on a.id = judged.agent_id
where reason = '' group by a.id, a.name order by count(*) desc, a.id limit %(most)s
"""


@dataclass(frozen=True)
class DryRun:
    """What a plan would be: ``left_out`` by reason, ``senders`` the largest shares.

    ``outside`` of those reached showed no need lately.
    """

    reached: int
    agents: int
    left_out: tuple[tuple[str, int], ...]
    senders: tuple[tuple[str, int], ...]
    outside: int = 0

    @property
    def planned(self) -> int:
        """Everybody, whatever becomes of them."""
        return self.reached + sum(n for _reason, n in self.left_out)


def plan(send: MassSend, *, now: datetime, batch_size: int | None = None) -> int:
    """Write recipients and batches of a send, in the caller's transaction; returns how many.

    A plan that stands is replaced.
    """
    send.recipients.all().delete()
    send.batches.all().delete()
    values = _values(send.send_at, now) | {"send": send.pk, "audience": send.audience_id}
    values |= {"salt": send.control_salt, "share": send.control_percent / 100}
    values |= _interval(send.material, send.send_at)
    most = limits().mass_groups if send.is_to_groups else limits().mass_customers
    values["size"] = min(most, batch_size or most)
    gate = gate_of(send.content_kind, at=max(send.send_at, now), to_groups=send.is_to_groups)
    values |= gate.named
    if send.is_to_groups:
        judged = _GROUPS.format(wanted=_CHOSEN, gate=gate.sql, told_groups=_TOLD_GROUPS)
    else:
        judged = _CUSTOMERS.format(wanted=_MEMBERS, gate=gate.sql, told_customers=_TOLD_CUSTOMERS)
    with connection.cursor() as cursor:
        # `with … select` becomes the table: the parts of the judgement come first.
        cursor.execute(_PLACE.format(judged=judged), values)
        cursor.execute(_BATCHES, values)
        layers, needed = layers_for(now) if not send.is_to_groups else NO_LAYERS
        statement = _RECIPIENTS.format(
            layers=layers, in_scene=IN_SCENE.format(customer="p.customer_id")
        )
        cursor.execute(statement, values | needed | scene_at(now).named(now))
        planned = cursor.rowcount
    return planned


def dry_run(
    *,
    send_at: datetime,
    now: datetime,
    audience_id: int | None = None,
    group_ids: Sequence[int] = (),
    control_percent: int = 0,
    content_kind: str = ContentKind.PROMOTION,
    material: Material | None = None,
    send_id: int | None = None,
    top: int = 8,
) -> DryRun:
    """What planning would say now, without writing anything; ``send_id`` is the send as saved."""
    values = _values(send_at, now) | {"audience": audience_id, "ids": list(group_ids), "most": top}
    values |= {"salt": "", "share": control_percent / 100, "send": send_id}
    values |= _interval(material, send_at)
    gate = gate_of(content_kind, at=max(send_at, now), to_groups=not audience_id)
    values |= gate.named
    if audience_id:
        judged = _CUSTOMERS.format(wanted=_MEMBERS, gate=gate.sql, told_customers=_TOLD_CUSTOMERS)
    else:
        judged = _GROUPS.format(wanted=_NAMED, gate=gate.sql, told_groups=_TOLD_GROUPS)
    with connection.cursor() as cursor:
        cursor.execute(judged + _COUNT, values)
        counts = {reason: (n, agents) for reason, n, agents in cursor.fetchall()}
        cursor.execute(judged + _BY_AGENT, values)
        senders = tuple(cursor.fetchall())
        outside = 0
        if audience_id:
            scene = IN_SCENE.format(customer="judged.customer_id")
            values |= scene_at(now).named(now)
            cursor.execute(judged + _OUTSIDE.format(in_scene=scene), values)
            [(outside,)] = cursor.fetchall()
    reached, agents = counts.pop("", (0, 0))
    left_out = sorted(((reason, n) for reason, (n, _a) in counts.items()), key=lambda x: -x[1])
    return DryRun(reached, agents, tuple(left_out), senders, outside)


def read_lately(send: MassSend) -> int:
    """How many of a planned send read its material twice within the interval as it stands."""
    who, told = "mine.customer_id", _TOLD_CUSTOMERS
    if send.is_to_groups:
        who, told = "mine.group_id", _TOLD_GROUPS
    with connection.cursor() as cursor:
        values = _interval(send.material, send.send_at) | {"send": send.pk}
        cursor.execute(_READ_LATELY.format(mine=who, told=told), values)
        return cursor.fetchone()[0]


def _interval(material: Material | None, send_at: datetime) -> dict:
    """Who else's sends count; without a material or an interval none do."""
    days = material.reuse_days if material else 0
    apart = timedelta(days=days)
    return {
        "material": material.pk if material and days else None,
        "told_after": send_at - apart,
        "told_before": send_at + apart,
    }


def _values(send_at: datetime, now: datetime) -> dict:
    """The window of the time of sending; without a rule nobody is over a cap."""
    window, today = window_at(max(send_at, now)), local_day(now)
    return {
        "now": now,
        "talks": list(_TALKS),
        "first": window.first if window else today,
        "last": window.last if window else today,
        "cap": window.cap if window else 2**31 - 1,
        "version": window.version if window else None,
    }
