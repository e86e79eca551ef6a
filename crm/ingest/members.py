"""Member cards: of customers and tiers that are known, latest state of each card."""

from datetime import datetime

from crm.agents.models import User
from crm.ingest import people
from crm.ingest.counts import Counts
from crm.ingest.problems import Problems
from crm.ingest.staging import fetch, find_problems, renew_from, run
from crm.members.actions import settle_cards

_DUPLICATES = """
select line, customer_id, first
from (
    select line, customer_id,
        min(line) over (partition by customer_id, tier_id, begins_on) as first
    from planned where tier_id is not null
) as numbered
where line > first
"""

_PLAN = """
select s.line, s.customer_id, s.tier, s.begins_on, s.ends_on, refs.customer_id as who,
       tier.id as tier_id, card.id as card_id, card.is_settled,
       case when card.id is null then 'new'
            when card.ends_on is distinct from s.ends_on then 'changed'
            else 'same' end as verdict
from staged s
join refs on refs.ref = s.customer_id
left join crm_membertier tier on tier.is_active and s.tier in (tier.code, tier.name)
left join crm_membercard card on card.customer_id = refs.customer_id
    and card.tier_id = tier.id and card.begins_on = s.begins_on
"""
_NOBODY = "select line, customer_id from planned where who is null"
_NO_TIER = "select line, tier from planned where tier_id is null"
_ENDS_EARLY = "select line, ends_on::text from planned where ends_on < begins_on"
_OVER = "select line, ends_on::text from planned where verdict = 'changed' and is_settled"

_WRITE = """
insert into crm_membercard
    (created_at, updated_at, customer_id, tier_id, begins_on, ends_on, source, given_by_id,
     is_settled)
select %(now)s, %(now)s, who, tier_id, begins_on, ends_on, %(source)s, %(by)s, false
from planned where verdict <> 'same'
order by who, tier_id, begins_on
on conflict (customer_id, tier_id, begins_on) do update
set updated_at = excluded.updated_at, ends_on = excluded.ends_on, source = excluded.source,
    given_by_id = excluded.given_by_id
"""
_WRITTEN = """
select card.id from planned p
join crm_membercard card on card.customer_id = p.who and card.tier_id = p.tier_id
    and card.begins_on = p.begins_on
where p.verdict <> 'same'
"""


def check(problems: Problems) -> Counts:
    """Find whose card every row is; nobody is opened for one."""
    people.resolve_people()
    renew_from("planned", _PLAN)
    find_problems(problems, _NOBODY, field="customer_id", code="unknown_customer")
    find_problems(problems, _NO_TIER, field="tier", code="unknown_tier")
    find_problems(problems, _ENDS_EARLY, field="ends_on", code="ends_before_beginning")
    find_problems(problems, _OVER, field="ends_on", code="card_is_over")
    find_problems(problems, _DUPLICATES, field="customer_id", code="duplicate", params=["first"])
    return Counts().take(fetch("select verdict, count(*) from planned group by verdict"))


def write(now: datetime, *, source: str, by: User | None) -> None:
    """Write new and changed cards with what follows from their days."""
    run(_WRITE, {"now": now, "source": source, "by": by.pk if by else None})
    settle_cards([pk for (pk,) in fetch(_WRITTEN)], now=now)
