"""The judgement on a send: arms, checks, effects, contamination."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from analytics.results.comparing import Comparison, Contamination, compared, ids_of, touched
from analytics.results.looking import Looking
from analytics.results.outcomes import Outcomes, outcomes
from crm.agents.models import User
from crm.customers.models import Customer
from crm.outreach.models import MassRecipient, MassSend


@dataclass(frozen=True, kw_only=True)
class Judgement(Comparison):
    """The answer on a send within the viewer's scope."""

    send: MassSend
    blurred: dict[str, np.ndarray]
    layers: np.ndarray

    figure = "send-result"

    @property
    def query(self) -> dict[str, object]:
        """Its numbers are of this send."""
        return {"send": self.send.pk}

    @property
    def definition(self) -> str:
        """What every number of the comparison means."""
        return definition(self.days)

    def blurring(self, what: str) -> list[int]:
        """Ids of the people behind one number of the contamination, ascending."""
        return self.found.ids[self.blurred[what]].tolist()

    def people(self, arm: str, outcome: str = "", layer: str = "") -> list[int]:
        """``layer`` is the value layer that they were in when the send was planned."""
        chosen = self.chosen(arm, outcome)
        if layer:
            chosen = chosen & (self.layers == layer)
        return self.found.ids[chosen].tolist()


def definition(days: int) -> str:
    """What every number of the comparison means."""
    return _(
        "按分组计，不按送达计：计划收到的人不论是否送达都算；对照组是发送前随机留出的人。"
        "从计划发送时间起观察 %(days)s 天。净收入是付款减退款；区间为 95%%，有历史时用发送前"
        "180 天的付款和发言作校正（CUPED）。"
    ) % {"days": days}


def judge(send: MassSend, *, days: int, user: User, now: datetime) -> Judgement:
    """Compare the arms of a send, within what the user may see."""
    looking = Looking.at(now, since=send.send_at, days=days)
    found = outcomes(send, looking, now=now)
    found = found.within(ids_of(Customer.objects.for_user(user).filter(pk__in=_people(send))))
    blurred = _blurred(send, found, looking.ends_at)
    return Judgement(
        send=send,
        days=days,
        found=found,
        report=compared(found, looking, send.control_percent / 100),
        contamination=Contamination(**{name: int(mask.sum()) for name, mask in blurred.items()}),
        blurred=blurred,
        layers=_layers(send, found),
        looking=looking,
    )


def _layers(send: MassSend, found: Outcomes) -> np.ndarray:
    """The layer of everybody in ``found``, as the plan kept it."""
    rows = MassRecipient.unsafe_all.filter(send=send, customer__isnull=False)
    kept = dict(rows.values_list("customer_id", "layer"))
    return np.array([kept.get(pk, "") for pk in found.ids.tolist()], dtype="U4")


def _blurred(send: MassSend, found: Outcomes, over: datetime) -> dict[str, np.ndarray]:
    """By number of ``Contamination`` the people whom other sends or posts of ours reached."""
    hit = touched(_people(send), found.ids, since=send.send_at, until=over, besides_send=send)
    missed = MassRecipient.unsafe_all.filter(send=send, batch__isnull=False).exclude(
        state=MassRecipient.State.DONE
    )
    lost = np.fromiter(missed.values_list("customer_id", flat=True), np.int64)
    return {
        "control_touched": hit & found.held,
        "treated_touched": hit & ~found.held,
        "treated_missed": np.isin(found.ids, lost),
    }


def _people(send: MassSend) -> QuerySet:
    """Everybody whom a send has a row for, as a subquery: lists of ids would be long."""
    return MassRecipient.unsafe_all.filter(send=send).values("customer_id")
