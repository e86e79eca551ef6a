"""Value layers as an attribute of segments: today's, or those of any day that is asked for."""

from collections.abc import Sequence
from datetime import date

from django.utils.translation import gettext_lazy as _

from analytics.rfm.layers import LAYERS, RfmQuestion, layers_sql, rule_at
from analytics.rfm.words import LAYER_LABELS
from analytics.segments.sorts import Query, add_sort, positional


def _people(values: Sequence[str], today: date) -> Query:
    question = RfmQuestion(today, cut="rule" if rule_at(today) else "mean")
    sql, named = layers_sql(question)
    sql = f"select l.customer_id from ({sql}) l where l.layer = any(%(layers)s::text[])"  # noqa: S608 - text of ours alone
    return positional(sql, named | {"layers": list(values)})


add_sort(
    "layer",
    _("价值层"),
    people=_people,
    choices=tuple((layer, LAYER_LABELS[layer]) for layer in LAYERS),
)
