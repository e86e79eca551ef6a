"""Conditions on what a fact says, in ClickHouse's words.

They mean what `analytics.events.properties` says. A number compares with numbers, anything else as
text by its bytes; a fact that does not have the property meets no condition about it. Numbers are
exact to 30 decimals and 46 digits before them.
"""

import operator
from collections.abc import Callable
from dataclasses import replace

from django.utils.translation import gettext as _

from analytics.clickhouse.connection import WarehouseRefused, text
from analytics.clickhouse.source import ClickHouseSource
from analytics.events.properties import number_in
from analytics.funnels.question import Condition, Step
from crm.agents.models import Agent
from crm.customers.models import Channel

_NUMBER = r"^\\s*[-+]?[0-9]+(\\.[0-9]+)?\\s*$"
_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
    ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


def is_step(step: Step, kind: int, source: ClickHouseSource) -> str:
    """An expression that is true for the events of a step."""
    tests = [f"kind = {kind}", *(_meets(condition, source) for condition in step.conditions)]
    return "(" + " and ".join(tests) + ")"


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
    cleaned = f"toDecimal256OrNull(replaceRegexpAll({value}, '[\\\\s+]', ''), 30)"
    compared = f"{cleaned} {condition.comparison} toDecimal256({text(format(number, 'f'))}, 30)"
    return f"({has} and match({value}, '{_NUMBER}') and ifNull({compared}, 0))"


def _amount(condition: Condition) -> str:
    number = number_in(condition.value)
    if number is None:
        raise WarehouseRefused(_("金额只能与数字比较，例如 amount>=2000"), field="steps")
    cents = format(number * 100, "f")
    compared = f"toDecimal256(amount, 30) {condition.comparison} toDecimal256({text(cents)}, 30)"
    return f"ifNull({compared}, 0)"


def _is_named(condition: Condition) -> str:
    """Few channels and agents: their names are compared here, their numbers there."""
    rows = (
        Channel.objects.values_list("pk", "code")
        if condition.name == "channel"
        else Agent.unsafe_all.values_list("pk", "userid")
    )
    if number_in(condition.value) is not None:
        raise WarehouseRefused(
            _("ClickHouse 引擎里渠道和员工只能与文字比较；请改用 columns 引擎"), field="steps"
        )
    meets = _COMPARE[condition.comparison]
    # By bytes of UTF-8, as PostgreSQL's C collation does; that is the order of code points.
    names = [text(str(pk)) for pk, name in rows if meets(name, condition.value)]
    return f"({condition.name} in ({', '.join(names)}))" if names else "0"
