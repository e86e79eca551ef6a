"""The judgement on a send: arms, checks, effects, contamination."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet

from analytics.experiments.analysis import Plan, Report, Trial, analyse
from analytics.experiments.report import as_json
from analytics.results.looking import Looking, status_of
from analytics.results.outcomes import Outcomes, outcomes
from crm.agents.models import User
from crm.customers.models import Customer
from crm.outreach.models import MassRecipient, MassSend
from crm.timeline.models import Fact

DEFINITION_VERSION = 2
DAYS = (2, 7, 14, 30)
DEFAULT_DAYS = 7
ARMS = ("control", "treated")


@dataclass(frozen=True)
class Contamination:
    """What blurs the comparison: people of each arm whom something else of ours reached as well.

    ``treated_missed``: planned, but it never reached them.
    """

    control_touched: int
    treated_touched: int
    treated_missed: int


@dataclass(frozen=True)
class Judgement:
    """The answer within the viewer's scope. ``is_over``: the days of observation have passed.

    Everything is told as of the latest planned look; before the first there is no comparison yet.
    """

    send: MassSend
    days: int
    ends_at: datetime
    is_over: bool
    found: Outcomes
    report: Report
    contamination: Contamination
    layers: np.ndarray
    looking: Looking

    @property
    def status(self) -> str:
        """What may be said by now."""
        return status_of(self.report, self.looking)

    @property
    def has_control(self) -> bool:
        return bool(self.found.held.any())

    def people(self, arm: str, outcome: str = "", layer: str = "") -> list[int]:
        """Ids of an arm, all or those with a yes in an outcome (money: any at all), ascending.

        ``layer`` is the value layer that they were in when the send was planned.
        """
        chosen = self.found.held if arm == "control" else ~self.found.held
        if layer:
            chosen = chosen & (self.layers == layer)
        if outcome:
            chosen = chosen & (self.found.values[outcome] != 0)
        return self.found.ids[chosen].tolist()

    def as_json(self) -> dict[str, Any]:
        """The answer as API and file print it."""
        return as_json(self.report) | {
            "send": self.send.pk,
            "days": self.days,
            "ends_at": self.ends_at.isoformat(),
            "is_over": self.is_over,
            "status": self.status,
            "looks": self.looking.as_json(),
            "contamination": vars(self.contamination),
            "definition_version": DEFINITION_VERSION,
        }


def judge(send: MassSend, *, days: int, user: User, now: datetime) -> Judgement:
    """Compare the arms of a send, within what the user may see."""
    looking = Looking.at(now, since=send.send_at, days=days)
    found = outcomes(send, looking, now=now)
    found = found.within(_ids(Customer.objects.for_user(user).filter(pk__in=_people(send))))
    return Judgement(
        send=send,
        days=days,
        ends_at=looking.ends_at,
        is_over=looking.is_over,
        found=found,
        report=compared(found, looking, send.control_percent / 100),
        contamination=_contamination(send, found, looking.ends_at),
        layers=_layers(send, found),
        looking=looking,
    )


def _layers(send: MassSend, found: Outcomes) -> np.ndarray:
    """The layer of everybody in ``found``, as the plan kept it."""
    rows = MassRecipient.unsafe_all.filter(send=send, customer__isnull=False)
    kept = dict(rows.values_list("customer_id", "layer"))
    return np.array([kept.get(pk, "") for pk in found.ids.tolist()], dtype="U4")


def compared(found: Outcomes, looking: Looking, share: float) -> Report:
    """Arms against each other; ``share`` of everybody was to be the control."""
    both = bool(found.held.any() and not found.held.all())
    covariates = {name: values for name, values in found.before.items() if values.any()}
    trial = Trial(
        arms=ARMS if both else ("treated",),
        has_control=both,
        arm=np.where(found.held, 0, 1) if both else np.zeros(len(found.ids), np.int64),
        outcomes=found.values,
        covariates=covariates,
        earlier=found.earlier,
    )
    split = {"control": share, "treated": 1 - share} if both and share else None
    plan = Plan(split, looks=looking.planned, look=looking.reached, shape="spending")
    report = analyse(trial, plan)
    # Before the first look the arms and their sizes are known, and nothing is compared.
    return report if looking.reached else replace(report, results=())


def _contamination(send: MassSend, found: Outcomes, over: datetime) -> Contamination:
    """People whom other sends or posts of ours reached between the send and the end."""
    other_send = MassRecipient.unsafe_all.filter(
        customer=OuterRef("pk"), state=MassRecipient.State.DONE,
        send__send_at__gte=send.send_at, send__send_at__lt=over,
    ).exclude(send=send)  # fmt: skip
    post = Fact.unsafe_all.filter(
        customer=OuterRef("pk"), kind__code="moment_visible", at__gte=send.send_at, at__lt=over
    )
    touched = Customer.unsafe_all.filter(pk__in=_people(send))
    hit = np.isin(found.ids, _ids(touched.filter(Exists(other_send) | Exists(post))))
    missed = MassRecipient.unsafe_all.filter(send=send, batch__isnull=False).exclude(
        state=MassRecipient.State.DONE
    )
    lost = np.fromiter(missed.values_list("customer_id", flat=True), np.int64)
    return Contamination(
        control_touched=int((hit & found.held).sum()),
        treated_touched=int((hit & ~found.held).sum()),
        treated_missed=int(np.isin(found.ids, lost).sum()),
    )


def _people(send: MassSend) -> QuerySet:
    """Everybody whom a send has a row for, as a subquery: lists of ids would be long."""
    return MassRecipient.unsafe_all.filter(send=send).values("customer_id")


def _ids(customers: QuerySet) -> np.ndarray:
    return np.fromiter(customers.order_by().values_list("pk", flat=True), np.int64)
