"""Customers: found by number, WeCom id or unionid, joined where these agree, refused where not."""

from datetime import datetime

from crm.agents.models import User
from crm.ingest import own_fields, people
from crm.ingest.counts import Counts
from crm.ingest.problems import Problems
from crm.ingest.staging import fetch, find_problems, renew_from, run

_DUPLICATES = """
select line, customer_id, first
from (
    select line, customer_id, min(line) over (partition by customer_id) as first from staged
) as numbered
where line > first
"""

_SAME_UNIONID = """
select line, unionid, first
from (
    select line, unionid, min(line) over (partition by unionid) as first
    from staged where unionid is not null
) as numbered
where line > first
"""

_SAME_PERSON = """
select line, customer_id, first
from (
    select line, customer_id, min(line) over (partition by target_id) as first
    from found where target_id is not null
) as numbered
where line > first
"""

_FOUND = """
select s.*, by_ref.id as by_ref_id, by_union.id as by_union_id,
       coalesce(by_ref.id, by_union.id) as target_id
from staged as s
left join lateral (
    select id from crm_customer
    where customer_no = s.customer_id or external_userid = s.customer_id
    order by customer_no = s.customer_id desc nulls last
    limit 1
) as by_ref on true
left join crm_customer as by_union on by_union.unionid = s.unionid
"""

_UNIONID_TAKEN = """
select f.line, f.unionid, coalesce(c.customer_no, c.external_userid, c.name) as other
from found as f join crm_customer as c on c.id = f.by_union_id
where f.by_ref_id <> f.by_union_id
"""

_UNIONID_DIFFERS = """
select f.line, f.unionid
from found as f join crm_customer as c on c.id = f.by_ref_id
where c.unionid <> f.unionid and f.by_union_id is null
"""

_NUMBER_DIFFERS = """
select f.line, f.customer_id, c.customer_no as other
from found as f join crm_customer as c on c.id = f.by_union_id
where f.by_ref_id is null and c.customer_no <> f.customer_id
"""

_CHANNELS = """
insert into crm_channel (created_at, updated_at, code, name, moment, is_active)
select distinct %(now)s::timestamptz, %(now)s::timestamptz, channel, channel, '', true
from staged where channel is not null
order by channel
on conflict (code) do nothing
"""

# A friend's nickname and channel are WeCom's to say; an empty cell never erases.
_PLAN = """
select f.line, f.customer_id as ref, f.target_id,
       case when c.id is null or c.external_userid is null then f.name else c.name end as name,
       case
           when c.id is null or f.by_ref_id is null then f.customer_id
           else c.customer_no
       end as customer_no,
       coalesce(f.unionid, c.unionid) as unionid,
       coalesce(f.phone, c.phone, '') as phone,
       coalesce(f.city, c.city, '') as city,
       coalesce(f.birthday, c.birthday) as birthday,
       case
           when c.external_userid is not null then coalesce(now_channel.code, f.channel)
           else coalesce(f.channel, now_channel.code)
       end as channel,
       least(f.created_at, c.known_since) as known_since,
       case
           when c.id is null then 'new'
           when (c.customer_no, c.unionid, c.phone, c.city, c.birthday, c.known_since)
               is distinct from
                (case when f.by_ref_id is null then f.customer_id else c.customer_no end,
                 coalesce(f.unionid, c.unionid), coalesce(f.phone, c.phone),
                 coalesce(f.city, c.city), coalesce(f.birthday, c.birthday),
                 least(f.created_at, c.known_since))
               or (c.external_userid is null and c.name <> f.name)
               or f.line in (select line from fresh)
               or (f.channel is not null and f.channel is distinct from now_channel.code
                   and (c.external_userid is null or now_channel.id is null))
           then 'changed'
           else 'same'
       end as verdict
from found as f
left join crm_customer as c on c.id = f.target_id
left join crm_channel as now_channel on now_channel.id = c.channel_id
"""

_CREATE = """
insert into crm_customer
    (created_at, updated_at, customer_no, unionid, name, name_sort, search, avatar, gender, phone,
     city, birthday, channel_id, stage, is_friend, tag_ids, group_count, order_count, paid_cents,
     origin, known_since)
select %(now)s, %(now)s, p.customer_no, p.unionid, p.name, n.name_sort, n.search, '', 0, p.phone,
       p.city, p.birthday, ch.id, 'acquaintance', false, '{}', 0, 0, 0,
       %(source)s, coalesce(p.known_since, %(now)s)
from planned as p
join named as n on n.ref = p.ref
left join crm_channel as ch on ch.code = p.channel
where p.verdict = 'new'
order by p.customer_no
"""

_LOCK = """
select id from crm_customer
where id in (select target_id from planned where verdict = 'changed')
order by id for no key update
"""

_CHANGE = """
update crm_customer as c
set updated_at = %(now)s, customer_no = p.customer_no, unionid = p.unionid, name = p.name,
    name_sort = coalesce(n.name_sort, c.name_sort), search = coalesce(n.search, c.search),
    phone = p.phone, city = p.city, birthday = p.birthday, channel_id = ch.id,
    known_since = p.known_since
from planned as p
left join named as n on n.ref = p.ref
left join crm_channel as ch on ch.code = p.channel
where c.id = p.target_id and p.verdict = 'changed'
"""

_TO_NAME = """
select p.ref, p.name
from planned as p left join crm_customer as c on c.id = p.target_id
where p.verdict <> 'same' and c.name is distinct from p.name
"""

_TOUCHED = """
select c.id as customer_id
from planned as p
join crm_customer as c on c.customer_no = p.customer_no and p.verdict = 'new'
union
select target_id from planned where verdict = 'changed'
"""


def check(problems: Problems) -> Counts:
    """Find whom every staged row means, and refuse what contradicts what is known."""
    find_problems(problems, _DUPLICATES, field="customer_id", code="duplicate", params=["first"])
    find_problems(problems, _SAME_UNIONID, field="unionid", code="same_unionid", params=["first"])
    renew_from("found", _FOUND)
    find_problems(problems, _UNIONID_TAKEN, field="unionid", code="unionid_taken", params=["other"])
    find_problems(problems, _UNIONID_DIFFERS, field="unionid", code="unionid_differs")
    find_problems(
        problems, _NUMBER_DIFFERS, field="customer_id", code="number_differs", params=["other"]
    )
    if not problems:
        find_problems(
            problems, _SAME_PERSON, field="customer_id", code="same_person", params=["first"]
        )
    own_fields.compare()
    renew_from("planned", _PLAN)
    verdicts = fetch("select verdict, count(*) from planned group by verdict")
    return Counts().take(verdicts)


def write(now: datetime, *, source: str, by: User | None = None) -> int:
    """Write new and changed customers; leaves their ids in ``touched``. They are no facts."""
    run(_CHANNELS, {"now": now})
    people.name_people(_TO_NAME)
    run(_LOCK)
    run(_CREATE, {"now": now, "source": source})
    run(_CHANGE, {"now": now})
    own_fields.write(now, source=source, by=by)
    renew_from("touched", _TOUCHED)
    return 0
