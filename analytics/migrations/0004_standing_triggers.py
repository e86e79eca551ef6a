"""Facts fold themselves: triggers keep state and cubes in the transaction that writes the facts.

One function per question: `chain` walks one customer's journey, `journey` and `pool` fold whole
customers from facts, `refold` makes state and cubes equal to that fold, `fold_facts` is the trigger.
Customers are locked before anything is read, in order of id, so that of two writers of the same
customer the second one sees the facts of the first. Cubes only ever get new rows.
"""

from django.db import migrations

CHAIN = """
-- Of one customer's journey facts in order of time (and of steps at one instant): place of the
-- chosen entry, best level, number of entries, place of the last entry.
create function analytics_standing_chain(ats timestamptz[], steps int[], span interval)
returns int[] language plpgsql immutable as $$
declare
    starts int[] := '{}';
    levels int[] := '{}';
    best int := 1;
    chosen int := 0;
    place int := 0;
    step int;
begin
    foreach step in array steps loop
        place := place + 1;
        if step = 1 then
            starts := starts || place;
            levels := levels || 1;
            if chosen = 0 then
                chosen := place;
            end if;
        else
            for j in 1 .. cardinality(starts) loop
                if levels[j] = step - 1 and ats[place] - ats[starts[j]] <= span then
                    levels[j] := step;
                    if step > best or (step = best and starts[j] < chosen) then
                        best := step;
                        chosen := starts[j];
                    end if;
                end if;
            end loop;
        end if;
    end loop;
    return array[chosen, best, cardinality(starts), starts[cardinality(starts)]];
end $$;
"""

JOURNEY = """
-- The state of these customers, folded from all their facts. Agent and channel are what the chosen
-- entry says, else what the latest fact before it says, else (channel) what is on the record.
create function analytics_standing_journey(who bigint[])
returns table (
    customer_id bigint, entry_at timestamptz, last_entry_at timestamptz, last_at timestamptz,
    entry_on date, last_entry_on date, entries int, level smallint, agent_id bigint,
    channel_id bigint, agent_told boolean, channel_told boolean
) language sql stable as $$
    with told as (
        select f.customer_id,
               array_agg(f.at order by f.at, f.step, f.id) as ats,
               array_agg(f.step order by f.at, f.step, f.id) as steps,
               array_agg(f.id order by f.at, f.step, f.id) as ids,
               array_agg(f.agent_id order by f.at, f.step, f.id) as agents,
               array_agg(f.channel_id order by f.at, f.step, f.id) as channels
        from (
            select customer_id, at, id, agent_id, channel_id,
                   case kind_id when 1 then 1 when 5 then 2 when 9 then 3 when 10 then 4
                                when 11 then 5 else 6 end as step
            from crm_fact
            where customer_id = any(who) and kind_id in (1, 5, 9, 10, 11, 14)
        ) f
        group by f.customer_id
        having min(f.step) = 1
    ), walked as (
        select told.*, rule.zone, analytics_standing_chain(
            told.ats, told.steps, make_interval(secs => rule.window_seconds)) as c
        from told cross join analytics_standingrule rule
    ), chosen as (
        select customer_id, ats[c[1]] as entry_at, ids[c[1]] as entry_id, ats[c[4]] as last_entry_at,
               ats[cardinality(ats)] as last_at, c[3] as entries, c[2]::smallint as level,
               agents[c[1]] as agent_id, channels[c[1]] as channel_id, zone
        from walked
    )
    select e.customer_id, e.entry_at, e.last_entry_at, e.last_at,
           (e.entry_at at time zone e.zone)::date, (e.last_entry_at at time zone e.zone)::date,
           e.entries, e.level,
           coalesce(e.agent_id, earlier.agent_id),
           coalesce(e.channel_id, earlier.channel_id, own.channel_id),
           e.agent_id is not null, e.channel_id is not null
    from chosen e
    left join crm_customer own on own.id = e.customer_id and e.channel_id is null
    left join lateral (
        select (array_agg(b.agent_id order by b.at desc, b.id desc)
                    filter (where b.agent_id is not null))[1] as agent_id,
               (array_agg(b.channel_id order by b.at desc, b.id desc)
                    filter (where b.channel_id is not null))[1] as channel_id
        from crm_fact b
        where (e.agent_id is null or e.channel_id is null)
          and b.customer_id = e.customer_id and b.at <= e.entry_at
          and (b.at, b.id) < (e.entry_at, e.entry_id)
    ) earlier on true
$$;
"""

POOL = """
-- Comings and goings of these customers, folded from all their facts. A relation with an agent (or
-- a membership of a group) begins and ends; the first to begin brings the person into the pool, the
-- last to end takes the person out. At one instant beginnings stand before ends.
create function analytics_standing_pool(who bigint[])
returns table (
    customer_id bigint, on_day date, pool smallint, link smallint, person smallint, n int
) language sql stable as $$
    with told as (
        select f.customer_id, f.at, f.id, f.kind_id, (f.kind_id in (1, 5))::int as comes,
               case when f.kind_id in (5, 6) then 2 else 1 end as pool,
               coalesce(case when f.kind_id in (5, 6) then f.group_id else f.agent_id end, 0)
                   as other,
               case when f.kind_id <> 6 then f.kind_id::int
                    when f.properties @> '{"dismissed": true}' then 8
                    when f.properties ->> 'quit_scene' = '1' then 7
                    else 6 end as link
        from crm_fact f
        where f.customer_id = any(who) and f.kind_id in (1, 2, 3, 4, 5, 6)
    ), flips as (
        select *, comes - coalesce(lag(comes) over (
            partition by customer_id, pool, other order by at, kind_id, id), 0) as change
        from told
    ), counted as (
        select *, sum(change) over person as inside, lag(link) over person as link_before
        from flips where change <> 0
        window person as (partition by customer_id, pool order by at, kind_id, id)
    )
    select c.customer_id, (c.at at time zone rule.zone)::date, c.pool::smallint, c.link::smallint,
           (case when c.change = 1 and c.inside = 1 then
                     case when c.link_before is null then 1 when c.link_before = 4 then 3
                          else 2 end
                 when c.change = -1 and c.inside = 0 then 9
                 else 0 end)::smallint as person,
           count(*)::int
    from counted c cross join analytics_standingrule rule
    group by 1, 2, 3, 4, 5
$$;
"""

REFOLD = """
create function analytics_standing_refold_journey(who bigint[]) returns void
language plpgsql volatile as $$
begin
    if cardinality(who) is null or cardinality(who) = 0 then
        return;
    end if;
    with old as (
        select * from analytics_journeystate s where s.customer_id = any(who)
    ), new as materialized (
        select * from analytics_standing_journey(who)
    ), gone as (
        delete from analytics_journeystate s
        where s.customer_id = any(who)
          and not exists (select 1 from new where new.customer_id = s.customer_id)
    ), put as (
        insert into analytics_journeystate as s (
            customer_id, entry_at, last_entry_at, last_at, entry_on, last_entry_on, entries, level,
            agent_id, channel_id, agent_told, channel_told)
        select customer_id, entry_at, last_entry_at, last_at, entry_on, last_entry_on, entries,
               level, agent_id, channel_id, agent_told, channel_told
        from new
        on conflict (customer_id) do update set
            entry_at = excluded.entry_at, last_entry_at = excluded.last_entry_at,
            last_at = excluded.last_at, entry_on = excluded.entry_on,
            last_entry_on = excluded.last_entry_on, entries = excluded.entries,
            level = excluded.level, agent_id = excluded.agent_id,
            channel_id = excluded.channel_id, agent_told = excluded.agent_told,
            channel_told = excluded.channel_told
        where (s.*) is distinct from (excluded.*)
    ), moved as materialized (
        select entry_on, last_entry_on, coalesce(channel_id, 0) as channel_id,
               coalesce(agent_id, 0) as agent_id, level, -1 as n from old
        union all
        select entry_on, last_entry_on, coalesce(channel_id, 0), coalesce(agent_id, 0), level, 1
        from new
    ), by_channel as (
        insert into analytics_channelday
            (on_day, last_on, channel_id, n1, n2, n3, n4, n5, n6, is_merged)
        select entry_on, last_entry_on, channel_id, n1, n2, n3, n4, n5, n6, false
        from (select entry_on, last_entry_on, channel_id, {levels} from moved group by 1, 2, 3) c
        where {any}
    )
    insert into analytics_agententryday
        (on_day, agent_id, n1, n2, n3, n4, n5, n6, is_merged)
    select entry_on, agent_id, n1, n2, n3, n4, n5, n6, false
    from (select entry_on, agent_id, {levels} from moved group by 1, 2) c
    where {any};
end $$;

create function analytics_standing_refold_pool(who bigint[]) returns void
language plpgsql volatile as $$
begin
    if cardinality(who) is null or cardinality(who) = 0 then
        return;
    end if;
    with diff as materialized (
        select x.customer_id, x.on_day, x.pool, x.link, x.person,
               sum(x.n)::int as n, coalesce(sum(x.n) filter (where x.is_old), 0)::int as was
        from (
            select customer_id, on_day, pool, link, person, n, false as is_old
            from analytics_standing_pool(who)
            union all
            select customer_id, on_day, pool, link, person, -n, true
            from analytics_poolmove where customer_id = any(who)
        ) x
        group by 1, 2, 3, 4, 5
        having sum(x.n) <> 0
    ), gone as (
        delete from analytics_poolmove m using diff d
        where d.n = d.was and (m.customer_id, m.on_day, m.pool, m.link, m.person)
            = (d.customer_id, d.on_day, d.pool, d.link, d.person)
    ), put as (
        insert into analytics_poolmove as m (customer_id, on_day, pool, link, person, n)
        select customer_id, on_day, pool, link, person, n from diff where n <> was
        on conflict (customer_id, on_day, pool, link, person)
        do update set n = m.n + excluded.n
    )
    insert into analytics_poolday (on_day, pool, link, person, n, is_merged)
    select on_day, pool, link, person, sum(n), false
    from diff group by 1, 2, 3, 4 having sum(n) <> 0;
end $$;
"""

COUNTS = """
insert into analytics_agentday
    (on_day, agent_id, added, lost, dropped, received, sent, is_merged)
select (at at time zone zone)::date, agent_id,
       {sign} count(*) filter (where kind_id = 1), {sign} count(*) filter (where kind_id = 2),
       {sign} count(*) filter (where kind_id = 3), {sign} count(*) filter (where kind_id = 7),
       {sign} count(*) filter (where kind_id = 8), false
from {table} cross join analytics_standingrule
where kind_id in (1, 2, 3, 7, 8) and agent_id is not null
group by 1, 2;
"""

TRIGGERS = """
create function analytics_standing_lock(who bigint[]) returns void language plpgsql as $$
begin
    perform 1 from crm_customer where id = any(who) order by id for no key update;
end $$;

create function analytics_standing_facts_came() returns trigger language plpgsql as $$
declare
    touched bigint[];
    late bigint[];
    forward bigint[];
    span interval;
begin
    {added}
    -- Any fact may name the agent or the channel of an entry that comes after it.
    select array_agg(distinct f.customer_id) into late
    from fresh f left join analytics_journeystate s on s.customer_id = f.customer_id
    where (f.agent_id is not null or f.channel_id is not null)
      and f.kind_id not in (1, 5, 9, 10, 11, 14)
      and (s.customer_id is null
           or (f.at <= s.entry_at and not (s.agent_told and s.channel_told)));
    touched := array(
        select customer_id from fresh where kind_id in (1, 2, 3, 4, 5, 6, 9, 10, 11, 14)
        union select unnest(late)
    );
    if cardinality(touched) = 0 then
        return null;
    end if;
    perform analytics_standing_lock(touched);
    select make_interval(secs => window_seconds) into span from analytics_standingrule;
    -- In order, one fact, one entry: the chain grows by this step or it does not.
    with news as (
        select customer_id, count(*) as n, min(at) as at,
               min(case kind_id when 1 then 1 when 5 then 2 when 9 then 3 when 10 then 4
                                when 11 then 5 else 6 end) as step
        from fresh where kind_id in (1, 5, 9, 10, 11, 14) group by customer_id
    ), moves as materialized (
        select s.customer_id, s.entry_on, s.last_entry_on, coalesce(s.channel_id, 0) as channel_id,
               coalesce(s.agent_id, 0) as agent_id, s.level as was, news.at,
               case when news.step = s.level + 1 and news.at - s.entry_at <= span
                    then news.step else s.level end as level
        from news join analytics_journeystate s on s.customer_id = news.customer_id
        where news.n = 1 and news.step > 1 and s.entries = 1 and news.at > s.last_at
          and not exists (select 1 from unnest(late) as l(id) where l.id = s.customer_id)
    ), put as (
        update analytics_journeystate s set level = m.level, last_at = m.at
        from moves m where s.customer_id = m.customer_id
        returning s.customer_id
    ), moved as materialized (
        select entry_on, last_entry_on, channel_id, agent_id, was as level, -1 as n
        from moves where was <> level
        union all
        select entry_on, last_entry_on, channel_id, agent_id, level, 1
        from moves where was <> level
    ), by_channel as (
        insert into analytics_channelday
            (on_day, last_on, channel_id, n1, n2, n3, n4, n5, n6, is_merged)
        select entry_on, last_entry_on, channel_id, n1, n2, n3, n4, n5, n6, false
        from (select entry_on, last_entry_on, channel_id, {levels} from moved group by 1, 2, 3) c
        where {any}
    ), by_agent as (
        insert into analytics_agententryday
            (on_day, agent_id, n1, n2, n3, n4, n5, n6, is_merged)
        select entry_on, agent_id, n1, n2, n3, n4, n5, n6, false
        from (select entry_on, agent_id, {levels} from moved group by 1, 2) c
        where {any}
    )
    select array_agg(customer_id) into forward from put;
    perform analytics_standing_refold_journey(array(
        (select customer_id from fresh where kind_id in (1, 5, 9, 10, 11, 14)
         union select unnest(late))
        except select unnest(forward)
    ));
    perform analytics_standing_refold_pool(array(
        select distinct customer_id from fresh where kind_id in (1, 2, 3, 4, 5, 6)
    ));
    return null;
end $$;

create function analytics_standing_facts_went() returns trigger language plpgsql as $$
declare
    touched bigint[];
begin
    {removed}
    touched := array(select distinct customer_id from gone);
    perform analytics_standing_lock(touched);
    perform analytics_standing_refold_journey(touched);
    perform analytics_standing_refold_pool(touched);
    return null;
end $$;

create function analytics_standing_channel_changed() returns trigger language plpgsql as $$
begin
    if exists (
        select 1 from analytics_journeystate where customer_id = new.id and not channel_told
    ) then
        perform analytics_standing_refold_journey(array[new.id]);
    end if;
    return null;
end $$;

create trigger standing_facts_came after insert on crm_fact
    referencing new table as fresh
    for each statement execute function analytics_standing_facts_came();
create trigger standing_facts_went after delete on crm_fact
    referencing old table as gone
    for each statement execute function analytics_standing_facts_went();
create trigger standing_channel_changed after update of channel_id on crm_customer
    for each row when (old.channel_id is distinct from new.channel_id)
    execute function analytics_standing_channel_changed();
"""

DROP = """
drop trigger standing_channel_changed on crm_customer;
drop trigger standing_facts_went on crm_fact;
drop trigger standing_facts_came on crm_fact;
drop function analytics_standing_channel_changed();
drop function analytics_standing_facts_went();
drop function analytics_standing_facts_came();
drop function analytics_standing_lock(bigint[]);
drop function analytics_standing_refold_pool(bigint[]);
drop function analytics_standing_refold_journey(bigint[]);
drop function analytics_standing_pool(bigint[]);
drop function analytics_standing_journey(bigint[]);
drop function analytics_standing_chain(timestamptz[], int[], interval);
"""

# Facts that were there before: folded once, when nobody else writes.
FILL = """
{counts}
do $$
declare
    low bigint := 0;
    who bigint[];
begin
    loop
        who := array(select id from crm_customer where id > low order by id limit 20000);
        exit when cardinality(who) = 0;
        perform analytics_standing_refold_journey(who);
        perform analytics_standing_refold_pool(who);
        low := who[cardinality(who)];
    end loop;
end $$;
"""

_LEVELS = ", ".join(f"coalesce(sum(n) filter (where level = {k}), 0) as n{k}" for k in range(1, 7))
_ANY = "(n1, n2, n3, n4, n5, n6) <> (0, 0, 0, 0, 0, 0)"


def _cells(text: str) -> str:
    added, removed = (COUNTS.format(sign=s, table=t) for s, t in (("", "fresh"), ("-", "gone")))
    return text.format(levels=_LEVELS, any=_ANY, added=added, removed=removed)


def create(apps, schema_editor):
    """Write down the rule, make functions and triggers, fold what is there."""
    from django.conf import settings

    apps.get_model("analytics", "StandingRule").objects.create(
        pk=1, zone=settings.CORP_TIME_ZONE, window_seconds=30 * 86_400
    )
    refold = REFOLD.replace("{levels}", _LEVELS).replace("{any}", _ANY)
    for text in (CHAIN, JOURNEY, POOL, refold, _cells(TRIGGERS)):
        schema_editor.execute(text, params=None)
    schema_editor.execute(FILL.format(counts=COUNTS.format(sign="", table="crm_fact")), params=None)


def drop(apps, schema_editor):
    """Take everything back."""
    schema_editor.execute(DROP, params=None)
    apps.get_model("analytics", "StandingRule").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("analytics", "0003_standing"), ("crm", "0007_archive_reading")]
    operations = [migrations.RunPython(create, drop)]
