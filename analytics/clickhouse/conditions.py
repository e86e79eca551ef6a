"""Conditions on what a fact says, in ClickHouse's words.

They mean what `analytics.events.properties` says. A number compares with numbers, anything else as
text by its bytes; a fact that does not have the property meets no condition about it. Numbers are
exact to 30 decimals and 46 digits before them.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from analytics.clickhouse.connection import text
from analytics.clickhouse.source import ClickHouseSource
from analytics.events.properties import number_in
from analytics.events.source import ConditionLike
from analytics.funnels.question import Condition, Step
from crm.agents.models import Agent
from crm.customers.models import Channel

_NUMBER = r"^\\s*[-+]?[0-9]+(\\.[0-9]+)?\\s*$"
_IS_NUMBER = re.compile(r"\s*[-+]?[0-9]+(\.[0-9]+)?\s*", re.ASCII)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
    ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
# As PostgreSQL writes it: 12.5 for 1250 hundredths, without zeros at the end.
_AMOUNT = "ifNull(toString(toDecimal128(amount, 2) / 100), '')"
# What no eight bytes hold is no amount of money.
_MOST_CENTS = "9000000000000000"


def is_step(step: Step, kind: int, source: ClickHouseSource) -> str:
    """An expression that is true for the events of a step."""
    tests = [f"kind = {kind}", *(_meets(condition, source) for condition in step.conditions)]
    return "(" + " and ".join(tests) + ")"


def meets(tests: Sequence[ConditionLike], source: ClickHouseSource) -> str:
    """An expression that is true for the events that meet all tests."""
    conditions = (Condition(test.name, test.comparison, test.value) for test in tests)
    return " and ".join(["1", *(_meets(condition, source) for condition in conditions)])


def text_of(name: str, source: ClickHouseSource) -> str:
    """What a fact says of a property, as text; empty where it says nothing."""
    if source.dataset or name not in ("amount", "channel", "agent"):
        return f"properties[{text(name)}]"
    if name == "amount":
        return _AMOUNT
    known = _names(name)
    if not known:
        return "''"
    numbers, names = (", ".join(text(part) for part in pair) for pair in zip(*known, strict=True))
    return f"transform(toString({name}), [{numbers}], [{names}], '')"


def cents_of(name: str, source: ClickHouseSource) -> str:
    """A property as whole hundredths, 0 where it is no number."""
    if name == "amount" and not source.dataset:
        cents = "toDecimal256(amount, 0)"
    else:
        said = text_of(name, source)
        cents = f"if(match({said}, '{_NUMBER}'), round({_number(said)} * 100), null)"
    return f"toInt64(ifNull(if(abs({cents}) < {_MOST_CENTS}, {cents}, null), 0))"


def _meets(condition: Condition, source: ClickHouseSource) -> str:
    if condition.comparison == "in":
        equal = (replace(condition, comparison="=", value=value) for value in condition.choices)
        return "(" + " or ".join(_meets(one, source) for one in equal) + ")"
    if not source.dataset and condition.name in ("channel", "agent"):
        return _is_named(condition)
    if not source.dataset and condition.name == "amount":
        return _amount(condition)
    value = f"properties[{text(condition.name)}]"
    has = f"mapContains(properties, {text(condition.name)})"
    number = number_in(condition.value)
    if number is None:
        return f"({has} and {value} {condition.comparison} {text(condition.value)})"
    compared = (
        f"{_number(value)} {condition.comparison} toDecimal256({text(format(number, 'f'))}, 30)"
    )
    return f"({has} and match({value}, '{_NUMBER}') and ifNull({compared}, 0))"


def _number(said: str) -> str:
    return f"toDecimal256OrNull(replaceRegexpAll({said}, '[\\\\s+]', ''), 30)"


def _amount(condition: Condition) -> str:
    number = number_in(condition.value)
    if number is None:
        compared = f"{_AMOUNT} {condition.comparison} {text(condition.value)}"
        return f"(isNotNull(amount) and {compared})"
    cents = format(number * 100, "f")
    compared = f"toDecimal256(amount, 30) {condition.comparison} toDecimal256({text(cents)}, 30)"
    return f"ifNull({compared}, 0)"


def _is_named(condition: Condition) -> str:
    """Few channels and agents: their names are compared here, their numbers there."""
    compare, number = _COMPARE[condition.comparison], number_in(condition.value)

    def is_met(name: str) -> bool:
        if number is None:
            # By bytes of UTF-8, as PostgreSQL's C collation does: the order of code points.
            return compare(name, condition.value)
        own = number_in(name) if _IS_NUMBER.fullmatch(name) else None
        return own is not None and compare(own, number)

    found = [text(pk) for pk, name in _names(condition.name) if is_met(name)]
    return f"({condition.name} in ({', '.join(found)}))" if found else "0"


def _names(attribute: str) -> list[tuple[str, str]]:
    """Our number of every channel or agent, and what conditions call it."""
    rows = (
        Channel.objects.values_list("pk", "code")
        if attribute == "channel"
        else Agent.unsafe_all.values_list("pk", "userid")
    )
    return [(str(pk), name) for pk, name in rows]
