"""The judgement as rows of a page and of a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from analytics.experiments.analysis import Result
from analytics.experiments.effects import Interval
from analytics.experiments.samples import Sample
from analytics.figures.numbers import Number, meaning, opening
from analytics.results.aftermath import Aftermath, Excess
from analytics.results.comparing import Comparison
from analytics.results.figures import BLUR, DELETIONS, RECIPIENTS, blur_labels
from analytics.results.judging import Judgement
from analytics.results.looking import looking_words, multiplicity_words, verdict_words
from analytics.results.outcomes import LABELS, YES_OR_NO
from analytics.rfm.figures import layer_labels
from crm.outreach.models import MassSend
from crm.outreach.queries import Tally
from crm.shared.formatting import rate as rate_text


@dataclass(frozen=True)
class Row:
    """One outcome: each arm's number and share, the difference and the lift in words."""

    label: str
    treated: Number
    treated_value: str
    control: Number | None
    control_value: str
    difference: str
    lift: str
    verdict: str
    level: str


def rows(found: Comparison) -> list[Row]:
    """Outcomes in their order; without a control the treated alone."""
    if found.report.status == "answered":
        return [_compared(found, result) for result in found.report.results]
    if found.report.status == "unproven":
        return [
            Row(
                label=str(LABELS[outcome]),
                treated=_number(found, "treated", outcome, arms["treated"]),
                treated_value=_sample_words(outcome, arms["treated"]),
                control=None,
                control_value="—",
                difference="—",
                lift="—",
                verdict=_("未证明"),
                level="",
            )
            for outcome, arms in found.report.alone.items()
            if "treated" in arms
        ]
    return []


def _compared(found: Comparison, result: Result) -> Row:
    verdict, level = verdict_words(result, is_bad=result.outcome == "deleted")
    return Row(
        label=str(LABELS[result.outcome]),
        treated=_number(found, "treated", result.outcome, result.treatment),
        treated_value=_sample_words(result.outcome, result.treatment),
        control=_number(found, "control", result.outcome, result.control),
        control_value=_sample_words(result.outcome, result.control),
        difference=interval_words(result.interval, result.outcome != "money"),
        lift=interval_words(result.lift, True) if result.lift else "—",
        verdict=verdict,
        level=level,
    )


def _number(found: Comparison, arm: str, outcome: str, sample: Sample) -> Number:
    query = found.query | {"days": found.days, "arm": arm, "outcome": outcome}
    label = f"{found.arm_words(arm)} · {LABELS[outcome]}"
    note = meaning(found.definition, share=sample.rate)
    return opening(found.figure, len(found.people(arm, outcome)), label, note, **query)


def comparison_context(found: Comparison) -> dict[str, Any]:
    """What the shared table and its notice show."""
    arms = ("treated", "control") if found.has_control else ("treated",)
    return {
        "found": found,
        "status": found.report.status,
        "rows": rows(found),
        "arms": [arm_number(found, arm) for arm in arms],
        "looking": looking_words(found.report, found.looking),
        "multiplicity": multiplicity_words(),
        "definition": found.definition,
    }


@dataclass(frozen=True)
class LayerRow:
    """A value layer at the beginning: how many were to receive it, and what they did."""

    label: str
    people: Number
    cells: list[tuple[Number, str]]


def layer_rows(found: Judgement) -> list[LayerRow]:
    """Layers as the plan kept them, best first; none for sends from before they were kept."""
    rows = []
    for layer, label in layer_labels().items():
        everybody = found.people("treated", layer=layer)
        if not everybody:
            continue
        cells = []
        for outcome in YES_OR_NO:
            hit = found.people("treated", outcome, layer)
            number = _of_layer(found, layer, label, outcome, len(hit))
            cells.append((number, rate_text(len(hit) / len(everybody))))
        rows.append(LayerRow(label, _of_layer(found, layer, label, "", len(everybody)), cells))
    return rows


def _of_layer(found: Judgement, layer: str, label: str, outcome: str, value: int) -> Number:
    query = found.query | {"days": found.days, "arm": "treated", "layer": layer}
    query |= {"outcome": outcome} if outcome else {}
    words = f"{label} · {LABELS[outcome]}" if outcome else label
    return opening(found.figure, value, words, found.definition, **query)


def arm_number(found: Comparison, arm: str) -> Number:
    """How many were drawn for an arm."""
    query = found.query | {"days": found.days, "arm": arm}
    return opening(found.figure, len(found.people(arm)), found.arm_words(arm), **query)


def blur_numbers(found: Judgement) -> list[Number]:
    """What blurs the comparison; without a control nobody of it was touched."""
    counts = vars(found.contamination)
    return [
        opening(BLUR, counts[what], label, send=found.send.pk, days=found.days, what=what)
        for what, label in blur_labels().items()
        if what != "control_touched" or found.has_control
    ]


def tally_numbers(send: MassSend, tally: Tally) -> list[Number]:
    """Who was planned and reached, and what became of everybody, by reason."""
    return [
        opening(RECIPIENTS, tally.planned, _("计划人数"), send=send.pk),
        opening(RECIPIENTS, tally.received, _("送达"), send=send.pk, state="reached"),
        *(
            opening(
                RECIPIENTS,
                part.count,
                " · ".join(filter(None, [part.label, str(part.reason)])),
                send=send.pk,
                state=part.state,
                reason=part.code,
            )
            for part in tally.parts
        ),
    ]


def _sample_words(outcome: str, sample: Sample) -> str:
    return value_words(outcome, sample.mean if sample.n else None)


def value_words(outcome: str, mean: float | None) -> str:
    """A share, or money a head; a dash where nobody is."""
    if mean is None:
        return "—"
    return f"{mean:,.2f}" if outcome == "money" else rate_text(mean)


def interval_words(found: Interval, is_share: bool) -> str:
    """A difference with its limits, in points or in money."""

    def words(value: float) -> str:
        return f"{value:+.1%}" if is_share else f"{value:+,.2f}"

    if found.low is None or found.high is None:
        return words(found.value)
    return _("%(value)s（%(low)s 到 %(high)s）") % {
        "value": words(found.value), "low": words(found.low), "high": words(found.high),
    }  # fmt: skip


@dataclass(frozen=True)
class DeletionRow:
    """One account after a send or a post; ``number`` opens where there is a list of its own."""

    agent: str
    number: Number
    usual: str
    is_high: bool


def after_rows(found: list[Aftermath], figure: str, **query: object) -> list[DeletionRow]:
    """Accounts after a send or a post, most alarming first; the figure lists who left."""
    return [
        DeletionRow(
            row.agent,
            opening(figure, row.deletions, row.agent, agent=row.agent_id, **query),
            f"{row.usual:.1f}",
            row.is_high,
        )
        for row in found
    ]


def together_number(excess: Excess | None, send: MassSend) -> Number | None:
    """Everybody who left after a send, each once; the figure lists them."""
    if excess is None:
        return None
    return opening(DELETIONS, len(excess.people), str(_("合计（每人一次）")), send=send.pk)


def file_header() -> list[str]:
    """Columns of the file."""
    return [
        _("结果"), _("计划收到人数"), _("计划收到"), _("对照组人数"), _("对照组"), _("差"),
        _("差的下限"), _("差的上限"), _("结论"), _("第几次查看"), _("q 值"),
    ]  # fmt: skip


def file_rows(found: Comparison) -> Iterator[list[object]]:
    """One line an outcome; numbers as numbers."""
    shown = {row.label: row for row in rows(found)}
    for result in found.report.results:
        label = str(LABELS[result.outcome])
        yield [
            label, result.treatment.n, result.treatment.mean, result.control.n,
            result.control.mean, result.interval.value, result.interval.low,
            result.interval.high, shown[label].verdict, found.looking.reached,
            "" if result.q_value is None else result.q_value,
        ]  # fmt: skip
    for outcome, arms in found.report.alone.items():
        if sample := arms.get("treated"):
            label = str(LABELS[outcome])
            yield [label, sample.n, sample.mean, 0, "", "", "", "", shown[label].verdict, "", ""]
