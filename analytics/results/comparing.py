"""Arms against each other, whatever was tried: the same checks, effects and looks."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from analytics.experiments.analysis import Plan, Report, Trial, analyse
from analytics.experiments.report import as_json
from analytics.results.looking import Looking, status_of
from analytics.results.outcomes import Outcomes
from crm.customers.models import Customer
from crm.moments.models import Moment
from crm.outreach.models import MassRecipient, MassSend
from crm.timeline.models import Fact

DEFINITION_VERSION = 2
DAYS = (2, 7, 14, 30)
DEFAULT_DAYS = 7
ARMS = ("control", "treated")


@dataclass(frozen=True)
class Contamination:
    """What blurs the comparison: people of each arm whom something else of ours reached as well.

    ``treated_missed``: planned, but it never reached them. ``control_reached``: kept out, and it
    reached them all the same.
    """

    control_touched: int
    treated_touched: int
    treated_missed: int
    control_reached: int = 0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The answer within the viewer's scope, told as of the latest planned look.

    Before the first look there is no comparison yet. Whatever was tried says which ``figure`` opens
    its numbers, and with which ``query``.
    """

    days: int
    found: Outcomes
    report: Report
    contamination: Contamination
    looking: Looking

    figure: ClassVar[str]

    @property
    def query(self) -> dict[str, object]:
        """What names the tried thing in a link."""
        raise NotImplementedError

    def arm_words(self, arm: str) -> str:
        """An arm in words."""
        return _("对照组") if arm == "control" else _("计划收到")

    @property
    def definition(self) -> str:
        """What every number means."""
        raise NotImplementedError

    @property
    def ends_at(self) -> datetime:
        """When the days of observation are over."""
        return self.looking.ends_at

    @property
    def is_over(self) -> bool:
        return self.looking.is_over

    @property
    def status(self) -> str:
        """What may be said by now."""
        return status_of(self.report, self.looking)

    @property
    def has_control(self) -> bool:
        return bool(self.found.held.any())

    def chosen(self, arm: str, outcome: str = "") -> np.ndarray:
        """Who is in an arm, all or those with a yes in an outcome (money: any at all)."""
        chosen = self.found.held if arm == "control" else ~self.found.held
        return chosen & (self.found.values[outcome] != 0) if outcome else chosen

    def people(self, arm: str, outcome: str = "") -> list[int]:
        """Their ids, ascending."""
        return self.found.ids[self.chosen(arm, outcome)].tolist()

    def as_json(self) -> dict[str, Any]:
        """The answer as API and file print it."""
        return (
            as_json(self.report)
            | self.query
            | {
                "days": self.days,
                "ends_at": self.ends_at.isoformat(),
                "is_over": self.is_over,
                "status": self.status,
                "looks": self.looking.as_json(),
                "contamination": vars(self.contamination),
                "definition_version": DEFINITION_VERSION,
            }
        )


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


def touched(
    people: QuerySet,
    ids: np.ndarray,
    *,
    since: datetime,
    until: datetime,
    besides_send: MassSend | None = None,
    besides_moment: Moment | None = None,
) -> np.ndarray:
    """Whom other sends and posts of ours reached in [since, until): one place an id.

    ``people``: the same as a subquery, since lists of ids would be long.
    """
    sent = MassRecipient.unsafe_all.filter(
        customer=OuterRef("pk"), state=MassRecipient.State.DONE,
        send__send_at__gte=since, send__send_at__lt=until,
    ).exclude(send=besides_send)  # fmt: skip
    shown = Fact.unsafe_all.filter(
        customer=OuterRef("pk"), kind__code="moment_visible", at__gte=since, at__lt=until
    )
    if besides_moment is not None:
        shown = shown.exclude(properties__moment=besides_moment.pk)
    reached = Customer.unsafe_all.filter(pk__in=people).filter(Exists(sent) | Exists(shown))
    return np.isin(ids, ids_of(reached))


def ids_of(customers: QuerySet) -> np.ndarray:
    """Ids of customers."""
    return np.fromiter(customers.order_by().values_list("pk", flat=True), np.int64)
