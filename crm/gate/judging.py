"""Which rule leaves whom in peace, as one expression of SQL, so that 100,000 take seconds.

The expression looks at one receiver and gives the place (1, 2 …) of the first rule in the order of
codes that says no, 0 where none does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from crm.gate.models import Channel, TouchRule
from crm.shared.times import day_start, local_day
from crm.timeline.queries import KIND_IDS

Check = TouchRule.Check


@dataclass(frozen=True)
class Judgement:
    """``sql`` with its ``values``; what each place of a rule means."""

    sql: str
    values: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()

    @property
    def named(self) -> dict[str, Any]:
        """Every value that statements around the expression may use."""
        return self.values | {
            "gate_reasons": list(self.reasons),
            "gate_codes": list(self.codes),
            "gate_versions": list(self.versions),
        }


def rules_at(at: datetime, content_kind: str = "", channel: str = Channel.SEND) -> list[TouchRule]:
    """The rules in force at an instant for such messages, in the order of their codes."""
    found = TouchRule.in_force(at)
    return [found[code] for code in sorted(found) if found[code].holds_for(content_kind, channel)]


def judgement(
    rules: Sequence[TouchRule], *, receiver: str, touches: str, at: datetime
) -> Judgement:
    """The expression for messages that go out at ``at``.

    ``receiver`` is SQL for the id of the customer, or of the group in the rules of groups;
    ``touches`` a query with the columns receiver_id, day, taken_at and content_kind: what counts as
    having been written to.
    """
    cases, values = [], {}
    for place, rule in enumerate(rules, 1):
        says_no, needed = _TESTS[rule.test](rule, at)
        names = {name: f"gate{place}_{name}" for name in needed}
        holes = {name: f"%({full})s" for name, full in names.items()}
        cases.append(
            f"when {says_no.format(receiver=receiver, touches=touches, **holes)} then {place}"
        )
        values |= {names[name]: value for name, value in needed.items()}
    return Judgement(
        f"case {' '.join(cases)} else 0 end" if cases else "0",
        values,
        tuple(rule.test for rule in rules),
        tuple(rule.code for rule in rules),
        tuple(rule.version for rule in rules),
    )


def window_of(rule: TouchRule, day: date) -> tuple[str, date, date]:
    """The window of a cap that a local day falls into: its name, first and last day."""
    if rule.window == TouchRule.Window.DAY:
        return day.isoformat(), day, day
    if rule.window == TouchRule.Window.WEEK:
        year, week, _weekday = day.isocalendar()
        first = day - timedelta(days=day.weekday())
        return f"{year}-W{week:02}", first, first + timedelta(days=6)
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return f"{day:%Y-%m}", first, following - timedelta(days=1)


_Told = tuple[str, dict[str, Any]]


def _own_cap(rule: TouchRule, at: datetime) -> _Told:
    _bucket, first, last = window_of(rule, local_day(at))
    values = {"first": first, "last": last, "limit": rule.limit, "kinds": rule.content_kinds}
    return (
        "(select count(*) from ({touches}) touch where touch.receiver_id = {receiver}"
        " and touch.day between {first} and {last}"
        " and (cardinality({kinds}::text[]) = 0 or touch.content_kind = any({kinds}::text[])))"
        " >= {limit}",
        values,
    )


def _no_need(rule: TouchRule, at: datetime) -> _Told:
    kinds = [KIND_IDS[code] for code in rule.signals]
    since = at - timedelta(days=rule.days)
    return (
        "not exists (select from crm_fact signal where signal.customer_id = {receiver}"
        " and signal.kind_id = any({kinds}::int[])"
        " and signal.at > {since} and signal.at <= {until})",
        {"kinds": kinds, "since": since, "until": at},
    )


def _stage(rule: TouchRule, _at: datetime) -> _Told:
    return (
        "exists (select from crm_customer who where who.id = {receiver}"
        " and who.stage = any({stages}::text[]))",
        {"stages": rule.stages},
    )


def _ignored(rule: TouchRule, at: datetime) -> _Told:
    # An answer is any message of theirs; what they were sent before it is forgiven.
    values = {"since": day_start(local_day(at) - timedelta(days=rule.days)), "until": at}
    values |= {"limit": rule.limit, "answer": KIND_IDS["message_received"]}
    return (
        "(select count(*) from ({touches}) touch where touch.receiver_id = {receiver}"
        " and touch.taken_at >= {since} and touch.taken_at < {until}"
        " and touch.taken_at > coalesce((select max(answer.at) from crm_fact answer"
        "  where answer.customer_id = {receiver} and answer.kind_id = {answer}"
        "   and answer.at <= {until}), '-infinity')) >= {limit}",
        values,
    )


def _risk(rule: TouchRule, _at: datetime) -> _Told:
    # As of last night; a number that no trusted model stands for stops nobody.
    return (
        "exists (select from crm_customerrisk risk join crm_riskmodel model"
        " on model.id = risk.model_id and model.verdict = 'trusted' and not model.is_withdrawn"
        " where risk.customer_id = {receiver} and risk.probability * 100 > {percent})",
        {"percent": rule.percent},
    )


_TESTS = {
    Check.OWN_CAP: _own_cap,
    Check.NEED: _no_need,
    Check.STAGE: _stage,
    Check.IGNORED: _ignored,
    Check.RISK: _risk,
}
