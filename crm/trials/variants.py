"""Variants of words that people get one after another: who gets which, when one is stopped.

The arm of a unit is a hash of the salt and the unit, so that a callback that comes twice, or two
workers at once, say the same. Whoever tries something keeps a row of the arm beside what was said.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import Agent, User
from crm.shared import faults
from crm.shared.errors import DomainError
from crm.shared.text import clean_text
from crm.trials.drawing import new_salt
from crm.trials.models import CONTROL, MOST_CONTROL, Assignment, Trial, TrialArm

MOST_VARIANTS = 4
WHOLE = "all"
FEWEST_PEOPLE = 50


class TrialRefused(DomainError):
    """A trial cannot begin, or go on, like that."""

    code = "trial_refused"


@dataclass(frozen=True)
class TrialPlan:
    """What is fixed before the first person: words of the arms, split, and how many people.

    ``control_text``: what the control gets; empty for nothing at all.
    """

    title: str
    control_text: str
    variants: tuple[str, ...]
    control_percent: int
    planned_people: int


@transaction.atomic
def start_trial(*, plan: TrialPlan, by: User, now: datetime) -> Trial:
    """Begin a trial of variants against a control; raises TrialRefused naming the field."""
    variants = [clean_text(text) for text in plan.variants if clean_text(text)]
    if not 1 <= len(variants) <= MOST_VARIANTS:
        words = _("请写 1 到 %(n)s 个版本") % {"n": MOST_VARIANTS}
        raise TrialRefused(words, field="variants")
    if len({*variants, clean_text(plan.control_text)}) <= len(variants):
        raise TrialRefused(_("每个版本和对照组的文字须各不相同"), field="variants")
    if not 1 <= plan.control_percent <= MOST_CONTROL:
        words = _("对照组比例请填 1 到 %(n)s") % {"n": MOST_CONTROL}
        raise TrialRefused(words, field="control_percent")
    if plan.planned_people < FEWEST_PEOPLE:
        words = _("计划人数至少 %(n)s 人，否则什么也看不出") % {"n": FEWEST_PEOPLE}
        raise TrialRefused(words, field="planned_people")
    trial = Trial.unsafe_all.create(
        title=clean_text(plan.title, limit=64),
        salt=new_salt(),
        control_percent=plan.control_percent,
        planned_people=plan.planned_people,
        created_by=by,
    )
    labels = [_("对照组"), *(_("版本 %(n)s") % {"n": n} for n in range(1, len(variants) + 1))]
    texts = [clean_text(plan.control_text), *variants]
    TrialArm.objects.bulk_create(
        TrialArm(trial=trial, number=number, label=label, text=text)
        for number, (label, text) in enumerate(zip(labels, texts, strict=True))
    )
    audit(by, "trial.start", trial, now=now, arms=len(texts), control=plan.control_percent)
    return trial


@transaction.atomic
def stop_arm(*, trial: Trial, number: int, by: User, now: datetime) -> None:
    """Nobody gets this variant any more; the comparison ends with the people before."""
    row = Trial.unsafe_all.select_for_update().get(pk=trial.pk)
    arms = {arm.number: arm for arm in row.arms.all()}
    if row.ended_at or number == CONTROL or number not in arms or arms[number].stopped_at:
        raise TrialRefused(_("这个版本已经停用，或不能停用"))
    if sum(arm.stopped_at is None for arm in arms.values() if arm.number != CONTROL) < 2:
        raise TrialRefused(_("只剩这一个版本了，请结束整个试验"))
    TrialArm.objects.filter(pk=arms[number].pk).update(stopped_at=now)
    audit(by, "trial.stop_arm", row, now=now, arm=number)


@transaction.atomic
def end_trial(*, trial: Trial, by: User, now: datetime) -> None:
    """Nobody is drawn any more; what was seen stays."""
    if not Trial.unsafe_all.filter(pk=trial.pk, ended_at=None).update(ended_at=now):
        raise TrialRefused(_("这个试验已经结束"))
    audit(by, "trial.end", trial, now=now)


def stop_asked(*, trial: Trial | None, arm: str, by: User, now: datetime) -> None:
    """Stop what a page asked for: one arm by its number, or with ``WHOLE`` the trial.

    Raises TrialRefused, also for anything else: a trial that is ended by mistake stays ended.
    """
    if trial is None:
        raise TrialRefused(_("这里没有试验"))
    if arm == WHOLE:
        end_trial(trial=trial, by=by, now=now)
    elif arm.isascii() and arm.isdecimal() and len(arm) < 4:
        stop_arm(trial=trial, number=int(arm), by=by, now=now)
    else:
        raise TrialRefused(_("没有这个版本，请刷新后重试"))


def arm_for(trial: Trial, arms: Sequence[TrialArm], unit: str) -> TrialArm:
    """The arm of a unit. Who would have got one that is stopped gets another, the rest stay."""
    ordered = sorted(arms, key=lambda arm: arm.number)
    first = _pick(trial, ordered, f"{trial.salt}:{unit}")
    if first.stopped_at is None:
        return first
    living = [arm for arm in ordered if arm.stopped_at is None]
    return _pick(trial, living, f"{trial.salt}:again:{unit}")


@transaction.atomic
def assign(*, trial: Trial, customer_id: int, agent: Agent | None, now: datetime) -> TrialArm:
    """The arm of a customer, written at the first asking and never changed; raises TrialRefused.

    The trial's row is held, so that nobody gets an arm that is just being stopped.
    """
    rows = Trial.unsafe_all.all()
    if faults.guarded("trials.assign"):
        rows = rows.select_for_update()
    row = rows.get(pk=trial.pk)
    if row.ended_at:
        raise TrialRefused(_("这个试验已经结束"))
    arms = list(row.arms.all())
    chosen = arm_for(row, arms, str(customer_id))
    Assignment.unsafe_all.bulk_create(
        [Assignment(trial=row, customer_id=customer_id, arm=chosen.number, agent=agent, at=now)],
        ignore_conflicts=True,
    )
    return assigned(row, customer_id) or chosen


def assigned(trial: Trial, customer_id: int) -> TrialArm | None:
    """The arm that a customer was given, if they were."""
    found = Assignment.unsafe_all.filter(trial=trial, customer=customer_id).first()
    return found and trial.arms.get(number=found.arm)


def split_of(trial: Trial, arms: Sequence[TrialArm]) -> dict[str, float]:
    """The intended share of every arm by its label: the variants share equally."""
    rest = (100 - trial.control_percent) / (len(arms) - 1) if len(arms) > 1 else 0.0
    return {
        arm.label: float(trial.control_percent) if arm.number == CONTROL else rest for arm in arms
    }


def _pick(trial: Trial, arms: Sequence[TrialArm], text: str) -> TrialArm:
    weights = list(split_of(trial, arms).values())
    place = int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12 * sum(weights)
    for arm, weight in zip(arms, weights, strict=True):
        place -= weight
        if place < 0:
            return arm
    return arms[-1]
