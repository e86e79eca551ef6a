"""Conditions on what a fact says, as SQL.

A number compares with numbers, anything else as text; `in` takes several values, a|b|c, and is met
by any of them. A fact that does not have the property meets no condition about it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from psycopg import sql

from analytics.events.source import ConditionLike

# What a fact says outside its properties; everything else is looked up there.
FACT_COLUMNS = {
    "amount": "trim_scale(amount_cents / 100.0)::text",
    "channel": "(select code from crm_channel where crm_channel.id = channel_id)",
    "agent": "(select userid from crm_agent where crm_agent.id = agent_id)",
}
_NUMBER = r"^\s*[-+]?[0-9]+(\.[0-9]+)?\s*$"
_COMPARISONS = {"=": "=", "!=": "<>", ">": ">", "<": "<", ">=": ">=", "<=": "<="}


def meets(tests: Sequence[ConditionLike], own: Mapping[str, str] = FACT_COLUMNS) -> sql.Composable:
    """An expression that is true where a row meets all tests, never null.

    `own` are names that the row knows outside its properties, with their SQL; by default those of
    crm_fact.
    """
    parts = [_test(own, test) for test in tests]
    return sql.SQL("coalesce({}, false)").format(sql.SQL(" and ").join(parts))


def _test(own: Mapping[str, str], test: ConditionLike) -> sql.Composable:
    if test.comparison != "in":
        return _one(own, test.name, _COMPARISONS[test.comparison], test.value)
    choices = [_one(own, test.name, "=", value.strip()) for value in test.value.split("|")]
    return sql.SQL("({})").format(sql.SQL(" or ").join(choices))


def _one(own: Mapping[str, str], name: str, comparison: str, value: str) -> sql.Composable:
    known = own.get(name)
    text: Any = sql.SQL(known or "(properties ->> {})").format(sql.Literal(name))
    if (number := number_in(value)) is None:
        return sql.SQL('({} collate "C" {} {})').format(
            text, sql.SQL(comparison), sql.Literal(value)
        )
    compared = "(case when {text} ~ {shape} then {text}::numeric {comparison} {number} end)"
    return sql.SQL(compared).format(
        text=text,
        shape=sql.Literal(_NUMBER),
        comparison=sql.SQL(comparison),
        number=sql.Literal(number),
    )


def text_of(name: str, own: Mapping[str, str] = FACT_COLUMNS) -> sql.Composable:
    """What a row says of a property, as text; empty where it says nothing."""
    text: Any = sql.SQL(own.get(name) or "(properties ->> {})").format(sql.Literal(name))
    return sql.SQL("coalesce({}, '')").format(text)


def cents_of(name: str, own: Mapping[str, str] = FACT_COLUMNS) -> sql.Composable:
    """A property as whole hundredths, 0 where it is no number."""
    text: Any = sql.SQL(own.get(name) or "(properties ->> {})").format(sql.Literal(name))
    number = "(case when {text} ~ {shape} then round({text}::numeric * 100) end)"
    # What no eight bytes hold is no amount of money.
    return sql.SQL(f"coalesce(case when abs({number}) < 9e15 then {number} end, 0)::bigint").format(
        text=text, shape=sql.Literal(_NUMBER)
    )


def number_in(text: str) -> Decimal | None:
    """The number that a text says, or None; what no column could hold is no number."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 40 else None
