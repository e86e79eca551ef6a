"""A person comes or goes at most once a day: who came and went on one day changed no balance.

So every cell of a day counts people, and the list behind it is exactly as long.
"""

from django.db import migrations

POOL = """
-- Comings and goings of these customers, folded from all their facts. A relation with an agent (or
-- a membership of a group) begins and ends. The last one of a day says what the day meant for the
-- person: who was outside when it began and is inside when it ends has come in, and the other way
-- round. At one instant beginnings stand before ends.
create or replace function analytics_standing_pool(who bigint[])
returns table (
    customer_id bigint, on_day date, pool smallint, link smallint, person smallint, n int
) language sql stable as $$
    with told as (
        select f.customer_id, f.at, f.id, f.kind_id, (f.kind_id in (1, 5))::int as comes,
               (f.at at time zone rule.zone)::date as on_day,
               case when f.kind_id in (5, 6) then 2 else 1 end as pool,
               coalesce(case when f.kind_id in (5, 6) then f.group_id else f.agent_id end, 0)
                   as other,
               case when f.kind_id <> 6 then f.kind_id::int
                    when f.properties @> '{"dismissed": true}' then 8
                    when f.properties ->> 'quit_scene' = '1' then 7
                    else 6 end as link
        from crm_fact f cross join analytics_standingrule rule
        where f.customer_id = any(who) and f.kind_id in (1, 2, 3, 4, 5, 6)
    ), flips as (
        select *, comes - coalesce(lag(comes) over (
            partition by customer_id, pool, other order by at, kind_id, id), 0) as change
        from told
    ), counted as (
        select *, sum(change) over person as inside,
               lead(on_day) over person is distinct from on_day as is_last
        from flips where change <> 0
        window person as (partition by customer_id, pool order by at, kind_id, id)
    ), days as (
        select *, inside - sum(change) over (partition by customer_id, pool, on_day
            order by at, kind_id, id) as opened
        from counted
    ), meant as (
        select *, case when not is_last then 0
                       when opened = 0 and inside > 0 then 1
                       when opened > 0 and inside = 0 then 9
                       else 0 end as meaning
        from days
    ), reasoned as (
        -- Among the days that meant something, comings and goings alternate.
        select *, lag(link) over (partition by customer_id, pool, meaning <> 0
            order by at, kind_id, id) as link_before
        from meant
    )
    select customer_id, on_day, pool::smallint, link::smallint,
           (case when meaning <> 1 then meaning
                 when link_before is null then 1
                 when link_before = 4 then 3
                 else 2 end)::smallint as person,
           count(*)::int
    from reasoned
    group by 1, 2, 3, 4, 5
$$;
do $$
declare
    low bigint := 0;
    who bigint[];
begin
    loop
        who := array(select id from crm_customer where id > low order by id limit 20000);
        exit when cardinality(who) = 0;
        perform analytics_standing_refold_pool(who);
        low := who[cardinality(who)];
    end loop;
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [("analytics", "0004_standing_triggers")]
    operations = [migrations.RunSQL(POOL, migrations.RunSQL.noop)]
