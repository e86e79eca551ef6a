"""Routes: the products of the travel agency, latest state only."""

from datetime import datetime

from crm.ingest.counts import Counts
from crm.ingest.problems import Problems
from crm.ingest.staging import fetch, find_problems, renew_from, run

_DUPLICATES = """
select line, route_id, first
from (
    select line, route_id, min(line) over (partition by route_id) as first from staged
) as numbered
where line > first
"""

_PLAN = """
select s.line, s.route_id, s.title, s.destination, s.days, s.price,
       coalesce(s.departure_city, r.departure_city, '') as departure_city,
       coalesce(s.theme, r.themes, '{}') as themes,
       case
           when r.id is null then 'new'
           when (r.title, r.destination, r.days, r.price_cents, r.departure_city, r.themes::text[])
               is distinct from
                (s.title, s.destination, s.days, s.price,
                 coalesce(s.departure_city, r.departure_city),
                 coalesce(s.theme, r.themes::text[]))
           then 'changed'
           else 'same'
       end as verdict
from staged as s left join crm_route as r on r.route_no = s.route_id
"""

_WRITE = """
insert into crm_route
    (created_at, updated_at, route_no, title, destination, departure_city, days, price_cents,
     themes)
select %(now)s, %(now)s, route_id, title, destination, departure_city, days, price, themes
from planned
where verdict <> 'same'
order by route_id
on conflict (route_no) do update
set updated_at = excluded.updated_at, title = excluded.title, destination = excluded.destination,
    departure_city = excluded.departure_city, days = excluded.days,
    price_cents = excluded.price_cents, themes = excluded.themes
"""


def check(problems: Problems) -> Counts:
    """Plan every staged route."""
    find_problems(problems, _DUPLICATES, field="route_id", code="duplicate", params=["first"])
    renew_from("planned", _PLAN)
    return Counts().take(fetch("select verdict, count(*) from planned group by verdict"))


def write(now: datetime) -> int:
    """Write new and changed routes. They are about no customer."""
    run(_WRITE, {"now": now})
    return 0
