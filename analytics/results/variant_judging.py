"""The judgement on variants: everybody who got one, in the order in which they came.

Looks are planned by people, not by days: the k-th sees the first k/K of the people planned, each
observed for a week, so that opening the page in between shows the same. People count by the arm
that was drawn, once, by their first time. After the first arm was stopped nobody enters any more,
because from then on the shares are others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from analytics.experiments.analysis import Plan, Report, analyse
from analytics.experiments.analysis import Trial as Data
from analytics.experiments.report import as_json
from analytics.results.comparing import DEFINITION_VERSION, ids_of
from analytics.results.looking import Looking
from analytics.results.outcomes import Outcomes, deeds
from crm.acquisition.models import WelcomeSent
from crm.agents.models import User
from crm.customers.models import Customer
from crm.trials.models import CONTROL, Assignment, Trial, TrialArm
from crm.trials.variants import split_of

OBSERVED = timedelta(days=7)
LOOKS = 5
WINDOWS = {"reply_for": timedelta(hours=24), "delete_for": timedelta(hours=48)}
_PEOPLE = """
    select * from unnest(%(ids)s::bigint[], %(drawn)s::int[], %(sinces)s::timestamptz[],
                         %(agents)s::bigint[]) as people(customer_id, arm, since, agent_id)
"""


@dataclass(frozen=True)
class Entrant:
    """Somebody's first time in a trial."""

    customer_id: int
    arm: int
    at: datetime
    agent_id: int | None


@dataclass(frozen=True)
class VariantJudgement:
    """The answer within the viewer's scope; ``found.arm`` holds places in ``arms``."""

    trial: Trial
    arms: tuple[TrialArm, ...]
    found: Outcomes
    report: Report
    look: int
    entered: int
    is_cut: bool

    @property
    def is_over(self) -> bool:
        return self.look == LOOKS

    @property
    def status(self) -> str:
        """`answered` at the end, `crossed` before it where a variant says enough already."""
        if self.report.status != "answered" or self.is_over:
            return self.report.status
        crossed = [
            result
            for result in self.report.results
            if result.is_primary and result.looks and result.looks.crossed
        ]
        return "crossed" if crossed else "too_early"

    @property
    def step(self) -> int:
        """People from one look to the next."""
        return step_of(self.trial)

    def people(self, number: int, outcome: str = "") -> list[int]:
        """Ids of an arm, all or those with a yes in an outcome (money: any at all)."""
        chosen = self.found.arm == number
        if outcome:
            chosen = chosen & (self.found.values[outcome] != 0)
        return self.found.ids[chosen].tolist()

    def as_json(self) -> dict[str, Any]:
        """The answer as API and file print it."""
        return as_json(self.report) | {
            "trial": self.trial.pk,
            "title": self.trial.title,
            "status": self.status,
            "looks": {"look": self.look, "looks": LOOKS, "people_a_look": self.step},
            "entered": self.entered,
            "planned": self.trial.planned_people,
            "cut_at_first_stop": self.is_cut,
            "stopped": [arm.label for arm in self.arms if arm.stopped_at],
            "definition_version": DEFINITION_VERSION,
        }


def definition() -> str:
    """What every number of a trial of variants means."""
    return _(
        "按抽签计，每人只算第一次。观察到满 7 天的人才算：24 小时内回复这位员工、7 天内下单和净收入"
        "（付款减退款）、48 小时内删除这位员工。各版本都与对照组比较，区间按所有查看一起放宽；"
        "有历史时用之前 180 天的付款和发言作校正（CUPED）。"
    )


def step_of(trial: Trial) -> int:
    """People from one look to the next."""
    return max(1, trial.planned_people // LOOKS)


def judge_variants(trial: Trial, *, user: User, now: datetime) -> VariantJudgement:
    """Compare the variants of a trial with its control."""
    arms = tuple(trial.arms.order_by("number"))
    stops = [arm.stopped_at for arm in arms if arm.stopped_at]
    entrants = [one for one in _entrants(trial) if not stops or one.at < min(stops)]
    ripe = [one for one in entrants if one.at + OBSERVED <= now]
    look = min(LOOKS, len(ripe) // step_of(trial))
    seen = ripe[: look * step_of(trial)] if look else ripe
    found = _deeds(seen, now)
    ids = ids_of(Customer.objects.for_user(user).filter(pk__in=[one.customer_id for one in seen]))
    found = found.within(ids)
    return VariantJudgement(
        trial=trial,
        arms=arms,
        found=found,
        report=_report(trial, arms, found, seen, look),
        look=look,
        entered=len(entrants),
        is_cut=bool(stops),
    )


def _deeds(seen: list[Entrant], now: datetime) -> Outcomes:
    whole = Looking(since=now - OBSERVED, planned=1, step=OBSERVED, reached=1)
    values = {
        "ids": [one.customer_id for one in seen],
        "drawn": [one.arm for one in seen],
        "sinces": [one.at for one in seen],
        "agents": [one.agent_id for one in seen],
    }
    return deeds(_PEOPLE, values, whole, now=now, **WINDOWS)


def _report(
    trial: Trial, arms: tuple[TrialArm, ...], found: Outcomes, seen: list[Entrant], look: int
) -> Report:
    place = {one.customer_id: number for number, one in enumerate(seen)}
    order = np.array([place[pk] for pk in found.ids.tolist()], np.int64)
    # Replies come first: what a welcome or a script is for.
    names = ("replied", "ordered", "money", "deleted")
    present = set(found.arm.tolist())
    data = Data(
        arms=tuple(arm.label for arm in arms),
        has_control=CONTROL in present and present != {CONTROL},
        arm=found.arm,
        outcomes={name: found.values[name] for name in names},
        covariates={name: values for name, values in found.before.items() if values.any()},
        joined=order // step_of(trial) + 1,
    )
    plan = Plan(split_of(trial, arms), looks=LOOKS, look=look, shape="spending")
    if not look and data.has_control:
        return Report("answered", data.arms, _sizes(data), None, (), {})
    return analyse(data, plan)


def _sizes(data: Data) -> dict[str, int]:
    return {name: int((data.arm == place).sum()) for place, name in enumerate(data.arms)}


def _entrants(trial: Trial) -> list[Entrant]:
    """Everybody of a trial by their first time, in the order in which they came."""
    first: dict[int, Entrant] = {}
    for source in SOURCES:
        for one in source(trial):
            if one.customer_id not in first:
                first[one.customer_id] = one
    return sorted(first.values(), key=lambda one: (one.at, one.customer_id))


def _welcomed(trial: Trial) -> list[Entrant]:
    rows = WelcomeSent.unsafe_all.filter(arm__trial=trial).order_by("happened_at", "pk")
    told = list(rows.values_list("external_userid", "arm__number", "happened_at", "agent_id"))
    known = dict(
        Customer.unsafe_all.filter(external_userid__in={row[0] for row in told}).values_list(
            "external_userid", "pk"
        )
    )
    return [Entrant(known[who], arm, at, agent) for who, arm, at, agent in told if who in known]


def _assigned(trial: Trial) -> list[Entrant]:
    rows = Assignment.unsafe_all.filter(trial=trial).order_by("at", "pk")
    return [Entrant(*row) for row in rows.values_list("customer_id", "arm", "at", "agent_id")]


SOURCES: tuple[Callable[[Trial], list[Entrant]], ...] = (_welcomed, _assigned)
