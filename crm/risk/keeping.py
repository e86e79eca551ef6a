"""Working out the risk of every friend, in one statement."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from crm.risk.features import (
    FEATURES,
    HIGH_POINTS,
    HIGH_TIMES,
    MID_POINTS,
    MID_TIMES,
    Feature,
)
from crm.risk.models import CustomerRisk, RiskModel
from crm.risk.observing import RAW, known_sql, known_values
from crm.shared.times import local_day

Band = CustomerRisk.Band

# The agent whose message it would be: the one who talked with them last, as a send chooses.
_FRIENDS = """
select distinct on (c.customer_id) c.customer_id as key, c.customer_id, c.agent_id,
    %(now)s::timestamptz as at
from crm_contact c
join crm_agent a on a.id = c.agent_id and a.status = 'active'
left join crm_talk t on t.customer_id = c.customer_id and t.agent_id = c.agent_id
where c.status = 'active'
order by c.customer_id, greatest(t.received_at, t.sent_at) desc nulls last, c.added_at desc,
    c.agent_id
"""
_KEEP = """
with known as ({known}), scored as (
    select customer_id, agent_id, array[{raw}]::float[] as features,
        least(100, {points}) as points, {probability} as probability
    from known
)
insert into crm_customerrisk as kept
    (customer_id, agent_id, model_id, probability, points, band, features, as_of)
select customer_id, agent_id, %(model)s, probability, points,
    case when {measure} >= %(high)s then 'high' when {measure} >= %(mid)s then 'mid'
         else 'low' end,
    features, %(now)s
from scored order by customer_id
on conflict (customer_id) do update
set agent_id = excluded.agent_id, model_id = excluded.model_id,
    probability = excluded.probability, points = excluded.points, band = excluded.band,
    features = excluded.features, as_of = excluded.as_of
where kept.as_of <= excluded.as_of
"""
_DROP = "delete from crm_customerrisk where as_of < %(now)s"


def model_in_use(now: datetime) -> RiskModel | None:
    """The newest attempt, where it may be used."""
    model = RiskModel.newest(now)
    return model if model is not None and model.is_in_use else None


def is_due(now: datetime) -> bool:
    """Whether the scores are of another day, or of another model."""
    kept = CustomerRisk.unsafe_all.order_by("-as_of").first()
    if kept is None or local_day(kept.as_of) < local_day(now):
        return True
    model = model_in_use(now)
    return kept.model_id != (model.pk if model else None)


@transaction.atomic
def keep_risks(*, now: datetime) -> int:
    """Work out everybody's risk; who is nobody's friend any more has none. Returns rows written."""
    model = model_in_use(now)
    values = known_values() | {"now": now, "model": model.pk if model else None}
    probability = "null::float"
    if model:
        probability, weights = _probability(model)
        values |= weights
    statement = _KEEP.format(
        known=known_sql(_FRIENDS),
        raw=RAW,
        points=" + ".join(_points(feature) for feature in FEATURES),
        probability=probability,
        measure="probability" if model else "points",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values | _bands(model))
        written = cursor.rowcount
        cursor.execute(_DROP, values)
    return written


def _bands(model: RiskModel | None) -> dict[str, float]:
    if model is None:
        return {"high": HIGH_POINTS, "mid": MID_POINTS}
    return {"high": HIGH_TIMES * model.base_rate, "mid": MID_TIMES * model.base_rate}


def _points(feature: Feature) -> str:
    sign = "<=" if feature.is_below else ">="
    steps = sorted(feature.steps, key=lambda step: -step[1])
    cases = " ".join(f"when {feature.code} {sign} {limit} then {gives}" for limit, gives in steps)
    return f"(case {cases} else 0 end)"


def _probability(model: RiskModel) -> tuple[str, dict[str, Any]]:
    """The logistic expression of a model's weights; whoever is far out stays within its range."""
    parts, values = ["%(intercept)s"], {"intercept": model.intercept}
    by_code = {weight["code"]: weight for weight in model.weights}
    for feature in FEATURES:
        weight = by_code[feature.code]
        value = f"least({feature.most}, {feature.code})"
        value = f"ln(1 + {value})" if feature.is_log else value
        names = {key: f"{feature.code}_{key}" for key in ("weight", "mean", "sd")}
        parts.append(f"%({names['weight']})s * ({value} - %({names['mean']})s) / %({names['sd']})s")
        values |= {name: float(weight[key]) for key, name in names.items()}
    total = " + ".join(parts)
    return f"1 / (1 + exp(-greatest(-30, least(30, {total}))))", values
