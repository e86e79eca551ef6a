"""A welcome before the gate: whom an agent greeted lately is not greeted again.

A welcome answers what the customer did, so neither need nor stage is asked: only whether they have
added the agent, been greeted, left and come again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from crm.acquisition.models import WelcomeSent
from crm.gate.judging import rules_at
from crm.gate.models import Channel
from crm.shared import faults

Outcome = WelcomeSent.Outcome
# Greeted, about to be, or perhaps. Who heard nothing may be greeted the next time.
_GREETED = (Outcome.WAITING, Outcome.SENT, Outcome.USED, Outcome.UNKNOWN)


@dataclass(frozen=True)
class Word:
    """What the gate says of one welcome, by which rule."""

    rule: str
    version: int
    is_no: bool


def word_on(userid: str, external_userid: str, *, now: datetime) -> Word | None:
    """The first rule that says no, else the first there is; None without a rule.

    In the caller's transaction: of two codes of the same people the second waits for the first.
    """
    rules = rules_at(now, channel=Channel.WELCOME)
    if not rules:
        return None
    if faults.guarded("welcome.again"):
        with connection.cursor() as cursor:
            key = f"crm.welcome:{userid}:{external_userid}"
            cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
    before = WelcomeSent.unsafe_all.filter(
        external_userid=external_userid, userid=userid, outcome__in=_GREETED
    )
    last = before.order_by("-queued_at").values_list("queued_at", flat=True).first()
    for rule in rules:
        if last is not None and last > now - timedelta(days=rule.days or 0):
            return Word(rule.code, rule.version, is_no=True)
    return Word(rules[0].code, rules[0].version, is_no=False)
