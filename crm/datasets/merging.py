"""Staged rows against what the dataset holds, by SQL over whole sets.

An event is known by its number; without one, by all that it says and by how many times the same
has been said before it in these rows: two equal lines are two events, the same file twice adds
nothing.
"""

from datetime import datetime
from typing import Any

from crm.datasets.models import Dataset
from crm.datasets.rows import MAX_EVENT_NAMES
from crm.ingest.problems import Problems
from crm.ingest.staging import fetch, find_problems, renew_from, run

_REUSED_HERE = """
select line, event_id, first
from (
    select line, event_id, digest, min(line) over w as first, first_value(digest) over w as said
    from staged where event_id is not null
    window w as (partition by event_id order by line)
) as numbered
where digest <> said
"""

_PLAN = """
select s.line, s.unit, s.event, s.at, s.properties, s.event_id, k.key as source_key,
       case when f.id is null and (s.event_id is null or s.nth = 1) then 'new' else 'same' end
           as verdict,
       s.event_id is not null and f.id is not null and (
           f.at <> s.at or fk.code <> s.event or fu.key <> s.unit or f.properties <> s.properties
       ) as differs
from (
    select *, row_number() over (
        partition by coalesce(event_id, '#' || digest) order by line
    ) as nth
    from staged
) as s
cross join lateral (
    select coalesce(s.event_id, '#' || s.digest || ':' || s.nth) as key
) as k
left join crm_datasetfact as f on f.dataset_id = %(dataset)s and f.source_key = k.key
left join crm_datasetkind as fk on fk.id = f.kind_id
left join crm_datasetunit as fu on fu.id = f.unit_id
"""

_NAMES = """
insert into crm_datasetkind (dataset_id, code)
select %(dataset)s, event from planned where verdict = 'new' group by event order by event
on conflict do nothing
"""

_UNITS = """
insert into crm_datasetunit (dataset_id, key)
select %(dataset)s, unit from planned where verdict = 'new' group by unit order by unit
on conflict do nothing
"""

_FACTS = """
insert into crm_datasetfact (dataset_id, unit_id, kind_id, at, recorded_at, source_key, properties)
select %(dataset)s, u.id, k.id, p.at, %(now)s, p.source_key, p.properties
from planned as p
join crm_datasetunit as u on u.dataset_id = %(dataset)s and u.key = p.unit
join crm_datasetkind as k on k.dataset_id = %(dataset)s and k.code = p.event
where p.verdict = 'new'
order by p.line
"""


def check(dataset: Dataset, outcome: Any) -> None:
    """Give every staged event its key and count; a number used for two events is a problem."""
    problems: Problems = outcome.problems
    find_problems(problems, _REUSED_HERE, field="event_id", code="duplicate", params=["first"])
    renew_from("planned", _PLAN, {"dataset": dataset.pk})
    reused = "select line, event_id from planned where differs"
    find_problems(problems, reused, field="event_id", code="event_id_reused")
    verdicts = dict(fetch("select verdict, count(*) from planned group by verdict"))
    outcome.new, outcome.same = verdicts.get("new", 0), verdicts.get("same", 0)
    [(outcome.units,)] = fetch("select count(distinct unit) from planned")
    names = fetch("select event, min(line) from planned group by event order by event")
    outcome.events = tuple(name for name, _line in names)
    if len(names) > MAX_EVENT_NAMES:
        line = max(line for _name, line in names)
        problems.add(line, "event", len(names), "too_many_names", limit=MAX_EVENT_NAMES)


def write(dataset: Dataset, now: datetime) -> None:
    """Append the new events, in order of the rows."""
    for statement in (_NAMES, _UNITS, _FACTS):
        run(statement, {"dataset": dataset.pk, "now": now})
