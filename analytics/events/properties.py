"""Conditions on what a fact says, as SQL.

A number compares with numbers, anything else as text. A fact that does not have the property meets
no condition about it.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from psycopg import sql

from analytics.events.source import ConditionLike

# What a fact says outside its properties; everything else is looked up there.
_OWN = {
    "amount": "(amount_cents / 100.0)::text",
    "channel": "(select code from crm_channel where crm_channel.id = channel_id)",
    "agent": "(select userid from crm_agent where crm_agent.id = agent_id)",
}
_NUMBER = r"^\s*[-+]?[0-9]+(\.[0-9]+)?\s*$"
_COMPARISONS = {"=": "=", "!=": "<>", ">": ">", "<": "<", ">=": ">=", "<=": "<="}


def meets(tests: Sequence[ConditionLike]) -> sql.Composable:
    """An expression that is true where a row of crm_fact meets all tests, never null."""
    parts = [_one(test.name, _COMPARISONS[test.comparison], test.value) for test in tests]
    return sql.SQL("coalesce({}, false)").format(sql.SQL(" and ").join(parts))


def _one(name: str, comparison: str, value: str) -> sql.Composable:
    own = _OWN.get(name)
    text: Any = sql.SQL(own) if own else sql.SQL("(properties ->> {})").format(sql.Literal(name))
    if (number := _number(value)) is None:
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


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 40 else None
