"""What every engine settles before it counts: names, the as-of moment, which figures there are."""

from datetime import datetime

from django.utils.translation import gettext as _

from analytics.events.source import Source
from analytics.funnels.question import STATES, Question, QuestionRefused


def resolve(question: Question, source: Source) -> tuple[dict[str, int], datetime]:
    """Kinds of the steps' events and the moment at which windows are measured.

    Raises QuestionRefused where the question cannot be asked of this source.
    """
    excluded = [exclusion.step for exclusion in question.exclude]
    kinds = source.kind_ids({step.event for step in (*question.steps, *excluded)})
    for field, steps in (("steps", question.steps), ("exclude", excluded)):
        if missing := [step.event for step in steps if step.event not in kinds]:
            raise QuestionRefused(
                _("没有事件「%(event)s」。请从事件目录中选择，或先登记这种事件")
                % {"event": missing[0][:64]},
                field=field,
            )
    if question.as_of and question.as_of.timestamp() < source.span[0]:
        raise QuestionRefused(
            _("截至时间早于第一个事件，没有可统计的数据；请改晚截至时间"), field="as_of"
        )
    return kinds, question.as_of or source.data_time


def check_figure(question: Question, step: int, state: str) -> None:
    """Raise QuestionRefused where the question has no such figure."""
    if not 1 <= step <= len(question.steps):
        raise QuestionRefused(_("没有第 %(step)s 步") % {"step": step}, field="step")
    if state not in STATES:
        raise QuestionRefused(_("没有状态「%(state)s」") % {"state": state[:40]}, field="state")


def step_names(question: Question, labels: dict[str, str]) -> list[tuple[str, str]]:
    """(step, label) of every step; in any order the k-th step is "any k" of them."""
    names = []
    for k, step in enumerate(question.steps, start=1):
        label = labels.get(step.event, step.event) + step.tests
        names.append(
            (str(step), _("任意 %(n)s 步") % {"n": k} if question.order == "any" else label)
        )
    return names
