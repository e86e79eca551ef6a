"""The question that a transition matrix answers, and exactly what it means.

Everybody stands in exactly one stage at the end of each of the two local days.

**Loyalty** (过客→常客). `unknown`: no event yet. `passer_by`: known, no order. `single`: orders on
one local day. `regular`: on two days or more. An order given back by that date does not count; two
orders of one day are one trip. Which event is the order can be chosen.

**Life**. `unknown`, then the rule of `crm.customers.derived`, first match wins: `win_back` was a
friend and is none; `fatigue` has bought, and neither bought nor written for 120 days; `warmth` has
bought on two days or more, or on one within 30 days; `familiarity` has bought on one day, or is a
friend for more than 30 days without an order; `acquaintance` everybody else. A friend is who has
been added by an agent and neither deleted by nor transferred from that agent since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from django.utils.translation import gettext as _

from analytics.funnels.parsing import parse_day, parse_step
from analytics.funnels.question import QuestionRefused, Step

SCHEMES = ("loyalty", "life")
UNKNOWN = "unknown"
STAGES = {
    "loyalty": (UNKNOWN, "passer_by", "single", "regular"),
    "life": (UNKNOWN, "acquaintance", "familiarity", "warmth", "fatigue", "win_back"),
}
FIELDS = ("from", "to", "by", "event")
DEFAULT_EVENT = "order_paid"
ORDER = Step(DEFAULT_EVENT)
DEFINITION_VERSION = 1


@dataclass(frozen=True)
class TransitionQuestion:
    """From which stage to which did everybody go between the ends of two days?"""

    since: date
    until: date
    by: Literal["loyalty", "life"] = "loyalty"
    event: Step = ORDER

    def __post_init__(self) -> None:
        if self.by not in SCHEMES:
            raise QuestionRefused(
                _("「%(value)s」不可选，请从 %(choices)s 中选一个")
                % {"value": str(self.by)[:40], "choices": "、".join(SCHEMES)},
                field="by",
            )
        for field, day in (("from", self.since), ("to", self.until)):
            if not 1970 <= day.year <= 2105:
                raise QuestionRefused(_("日期须在 1970 年到 2105 年之间"), field=field)
        if self.since > self.until:
            raise QuestionRefused(
                _("开始日期（%(since)s）晚于结束日期（%(until)s），请对调")
                % {"since": self.since, "until": self.until},
                field="from",
            )

    @property
    def stages(self) -> tuple[str, ...]:
        """Codes of the stages, in order of the matrix."""
        return STAGES[self.by]

    def as_json(self) -> dict[str, Any]:
        """The question in the words of the command and the API."""
        return {
            "from": self.since.isoformat(),
            "to": self.until.isoformat(),
            "by": self.by,
            "event": str(self.event),
        }


def transition_from(values: Mapping[str, Any]) -> TransitionQuestion:
    """A question from plain values; raises QuestionRefused, which names the field."""
    if unknown := sorted(set(values) - set(FIELDS)):
        raise QuestionRefused(
            _("没有「%(field)s」这一项；可用的有 %(fields)s")
            % {"field": str(unknown[0])[:40], "fields": "、".join(FIELDS)},
            field=str(unknown[0])[:40],
        )
    return TransitionQuestion(
        since=_day(values, "from"),
        until=_day(values, "to"),
        by=_word(values, "by", "loyalty"),
        event=_event(values),
    )


def _day(values: Mapping[str, Any], field: str) -> date:
    day = parse_day(values.get(field), field)
    if day is None:
        raise QuestionRefused(_("请填写日期，例如 2026-11-01"), field=field)
    return day


def _event(values: Mapping[str, Any]) -> Step:
    try:
        return parse_step(_word(values, "event", DEFAULT_EVENT))
    except QuestionRefused as refusal:
        raise QuestionRefused(str(refusal), field="event") from refusal


def _word(values: Mapping[str, Any], field: str, otherwise: str) -> Any:
    value = values.get(field) or otherwise
    if not isinstance(value, str):
        raise QuestionRefused(_("%(field)s 须是文字") % {"field": field}, field=field)
    return value
