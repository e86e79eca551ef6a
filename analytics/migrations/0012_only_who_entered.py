"""Facts fold themselves faster: who never entered has no journey, and need not be folded to see it.

As in 0004, the trigger locks every customer whose journey a fact might change before it decides.
Only then it looks again who has entered: the others, most of a busy stream, are left alone.
"""

from django.db import migrations

_COUNTS = """
insert into analytics_agentday
    (on_day, agent_id, added, lost, dropped, received, sent, is_merged)
select (at at time zone zone)::date, agent_id,
       count(*) filter (where kind_id = 1), count(*) filter (where kind_id = 2),
       count(*) filter (where kind_id = 3), count(*) filter (where kind_id = 7),
       count(*) filter (where kind_id = 8), false
from fresh cross join analytics_standingrule
where kind_id in (1, 2, 3, 7, 8) and agent_id is not null
group by 1, 2;
"""
_LEVELS = ", ".join(f"coalesce(sum(n) filter (where level = {k}), 0) as n{k}" for k in range(1, 7))
_ANY = "(n1, n2, n3, n4, n5, n6) <> (0, 0, 0, 0, 0, 0)"
_MAY_NAME = """
    (f.agent_id is not null or f.channel_id is not null)
      and f.kind_id not in (1, 5, 9, 10, 11, 14)
"""

_CAME = f"""
create or replace function analytics_standing_facts_came() returns trigger language plpgsql as $$
declare
    touched bigint[];
    late bigint[];
    forward bigint[];
    span interval;
begin
    {_COUNTS}
    -- Any fact may name the agent or the channel of an entry that comes after it, also of one that
    -- another transaction is writing.
    touched := array(
        select customer_id from fresh where kind_id in (1, 2, 3, 4, 5, 6, 9, 10, 11, 14)
        union
        select f.customer_id
        from fresh f left join analytics_journeystate s on s.customer_id = f.customer_id
        where {_MAY_NAME}
          and (s.customer_id is null
               or (f.at <= s.entry_at and not (s.agent_told and s.channel_told)))
    );
    if cardinality(touched) = 0 then
        return null;
    end if;
    perform analytics_standing_lock(touched);
    late := array(
        select distinct f.customer_id
        from fresh f join analytics_journeystate s on s.customer_id = f.customer_id
        where {_MAY_NAME} and f.at <= s.entry_at and not (s.agent_told and s.channel_told)
    );
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
          and s.customer_id <> all (late)
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
        from (select entry_on, last_entry_on, channel_id, {_LEVELS} from moved group by 1, 2, 3) c
        where {_ANY}
    ), by_agent as (
        insert into analytics_agententryday
            (on_day, last_on, agent_id, n1, n2, n3, n4, n5, n6, is_merged)
        select entry_on, last_entry_on, agent_id, n1, n2, n3, n4, n5, n6, false
        from (select entry_on, last_entry_on, agent_id, {_LEVELS} from moved group by 1, 2, 3) c
        where {_ANY}
    )
    select array_agg(customer_id) into forward from put;
    -- Whoever has not entered and does not enter now has no journey.
    perform analytics_standing_refold_journey(array(
        (select customer_id from fresh where kind_id = 1
         union
         select f.customer_id
         from fresh f join analytics_journeystate s on s.customer_id = f.customer_id
         where f.kind_id in (5, 9, 10, 11, 14)
         union
         select unnest(late))
        except select unnest(forward)
    ));
    perform analytics_standing_refold_pool(array(
        select distinct customer_id from fresh where kind_id in (1, 2, 3, 4, 5, 6)
    ));
    return null;
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [("analytics", "0011_table_names")]
    operations = [migrations.RunSQL(_CAME, migrations.RunSQL.noop)]
