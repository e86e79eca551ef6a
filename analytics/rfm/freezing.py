"""Value layers as plans of sends keep them: those of the day on which the plan is made."""

from datetime import datetime
from typing import Any

from analytics.rfm.layers import RfmQuestion, layers_sql, rule_at
from crm.shared.times import local_day
from crm.trials.layers import freeze_layers


def layers_now(now: datetime) -> tuple[str, dict[str, Any]]:
    """Everybody's layer, by the company's own rule where there is one."""
    today = local_day(now)
    return layers_sql(RfmQuestion(today, cut="rule" if rule_at(today) else "mean"))


freeze_layers(layers_now)
