"""A rule as one SQL condition over ``crm_customer``: the meaning of every rule.

Every leaf is two-valued (no null), so that NOT means "everybody else".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from analytics.segments.bucketing import seed_of
from analytics.segments.fields import FIELDS, Field
from analytics.segments.own import test_of
from analytics.segments.rule import (
    Belongs,
    Bucket,
    Choice,
    Group,
    Happened,
    InSegment,
    Node,
    Own,
    Span,
    Tags,
    Trip,
)
from crm.fields.models import Field as OwnField
from crm.shared.times import day_end, day_start

EVERYBODY, NOBODY = "true", "false"
PAID = ("paid", "completed")


@dataclass(frozen=True)
class Setting:
    """What a rule is answered against: today, kinds by code, rules of segments, own fields."""

    today: date
    kinds: Mapping[str, int]
    segments: Mapping[int, Group]
    own: Mapping[str, OwnField] = field(default_factory=dict)


@dataclass(frozen=True)
class Predicate:
    """An SQL condition with its parameters."""

    sql: str
    params: tuple[Any, ...] = ()


def predicate(node: Node, setting: Setting) -> Predicate:
    """The condition; kinds and segments that are not in the setting match nobody."""
    if isinstance(node, Group):
        return _group(node, setting)
    return _LEAVES[type(node)](node, setting)


def _group(group: Group, setting: Setting) -> Predicate:
    parts = [predicate(part, setting) for part in group.parts]
    params = tuple(param for part in parts for param in part.params)
    if not parts:
        return Predicate(NOBODY if group.how == "any" else EVERYBODY)
    joined = f" {'and' if group.how == 'all' else 'or'} ".join(f"({part.sql})" for part in parts)
    return Predicate(f"not ({joined})" if group.how == "none" else joined, params)


def _choice(node: Choice, setting: Setting) -> Predicate:
    field, values = FIELDS[node.field], list(node.values)
    if field.type == "friend":
        tests = {
            "friend": "crm_customer.is_friend",
            "lost": "(not crm_customer.is_friend and crm_customer.friend_since is not null)",
            "never": "(not crm_customer.is_friend and crm_customer.friend_since is null)",
        }
        return Predicate(" or ".join(tests[str(value)] for value in values))
    if field.people:
        sql, params = field.people(values, setting.today)
        return Predicate(f"crm_customer.id in ({sql})", params)
    array = "text[]" if isinstance(values[0], str) else "bigint[]"
    column = f"crm_customer.{field.column}"
    if field.column == "channel_id":  # The only one that may be null.
        return Predicate(f"coalesce({column} = any(%s::{array}), false)", (values,))
    return Predicate(f"{column} = any(%s::{array})", (values,))


def _span(node: Span, setting: Setting) -> Predicate:
    field = FIELDS[node.field]
    column = f"crm_customer.{field.column}"
    if field.type == "number":
        return _between(column, _scaled(node.low, field), _scaled(node.high, field), "bigint")
    if field.type == "age":
        return _between(column, *birthdays(node, setting.today), "date")
    first, last = days_ago(node, setting.today)
    low = day_start(first) if first else None
    tests = [f"{column} is not null"]
    params: list[Any] = []
    if low:
        tests.append(f"{column} >= %s::timestamptz")
        params.append(low)
    if last:
        tests.append(f"{column} < %s::timestamptz")
        params.append(day_end(last))
    return Predicate(" and ".join(tests), tuple(params))


def _scaled(value: int | None, field: Field) -> int | None:
    return None if value is None else value * field.scale


def days_ago(node: Span, today: date) -> tuple[date | None, date | None]:
    """First and last day of "between low and high days ago"; None is open."""
    return _back(today, node.high), _back(today, node.low)


def birthdays(node: Span, today: date) -> tuple[date | None, date | None]:
    """First and last birthday of people aged low to high whole years."""
    first = None if node.high is None else _years_before(today, node.high + 1, after=True)
    last = None if node.low is None else _years_before(today, node.low, after=False)
    return first, last


def _years_before(day: date, years: int, *, after: bool) -> date:
    """The same day so many years before; ``after`` gives the day that follows it.

    People born on 29 February come of age on 1 March in other years.
    """
    year = day.year - years
    if year < 1:
        return date.min
    try:
        found = day.replace(year=year)
    except ValueError:
        found = date(year, 2, 28)
    return found + timedelta(days=1) if after else found


def _back(today: date, days: int | None) -> date | None:
    if days is None:
        return None
    try:
        return today - timedelta(days=days)
    except OverflowError:
        return date.min + timedelta(days=1) if days > 0 else date.max - timedelta(days=1)


def _between(column: str, low: Any, high: Any, kind: str) -> Predicate:
    tests, params = [f"{column} is not null"], []
    for sign, limit in ((">=", low), ("<=", high)):
        if limit is not None:
            tests.append(f"{column} {sign} %s::{kind}")
            params.append(limit)
    return Predicate(" and ".join(tests), tuple(params))


def _tags(node: Tags, setting: Setting) -> Predicate:
    sign = "@>" if node.how == "all" else "&&"
    test = f"crm_customer.tag_ids {sign} %s::integer[]"
    return Predicate(f"not ({test})" if node.how == "none" else test, (list(node.ids),))


_BELONGS = {
    "group": """exists (
        select from crm_membership m
        join crm_group g on g.id = m.group_id and g.dismissed_at is null
        where m.customer_id = crm_customer.id and m.left_at is null
          and m.group_id = any(%s::bigint[]))""",
    "agent": """exists (
        select from crm_contact k
        where k.customer_id = crm_customer.id and k.status = 'active'
          and k.agent_id = any(%s::bigint[]))""",
}


def _belongs(node: Belongs, setting: Setting) -> Predicate:
    return Predicate(_BELONGS[node.to], (list(node.ids),))


_COUNT = """select count(*) from crm_fact f
    where f.customer_id = crm_customer.id and f.kind_id = %s and f.at >= %s and f.at < %s"""


def _happened(node: Happened, setting: Setting) -> Predicate:
    first = setting.today - timedelta(days=node.days - 1)
    tests = "".join(" and f.properties ->> %s = %s" for _pair in node.where)
    found = f"({_COUNT}{tests})"
    params = (
        setting.kinds.get(node.kind, -1),
        day_start(first),
        day_end(setting.today),
        *(word for pair in node.where for word in pair),
    )
    parts = []
    for sign, times in ((">=", node.at_least), ("<=", node.at_most)):
        if times is not None:
            parts.append(Predicate(f"{found} {sign} %s", (*params, times)))
    return Predicate(
        " and ".join(part.sql for part in parts), tuple(p for part in parts for p in part.params)
    )


def _own(node: Own, setting: Setting) -> Predicate:
    test = test_of(node, setting.own)
    if test is None:
        return Predicate(NOBODY)
    row = "select from crm_fieldvalue v where v.customer_id = crm_customer.id"
    return Predicate(f"exists ({row} and {test.sql})", test.params)


def _trip(node: Trip, setting: Setting) -> Predicate:
    column = "start_on" if node.side == "start" else "end_on"
    low, high = (setting.today + timedelta(days=days) for days in (node.low, node.high))
    return Predicate(
        f"""exists (
        select from crm_order o
        where o.customer_id = crm_customer.id and o.status = any(%s)
          and o.{column} between %s and %s)""",
        (list(PAID), low, high),
    )


def _bucket(node: Bucket, setting: Setting) -> Predicate:
    test = "analytics_bucket(%s::bigint, crm_customer.id) between %s and %s"
    return Predicate(test, (seed_of(node.salt), node.low * 100, node.high * 100 - 1))


def _segment(node: InSegment, setting: Setting) -> Predicate:
    rule = setting.segments.get(node.segment)
    return predicate(rule, setting) if rule else Predicate(NOBODY)


_LEAVES: dict[type, Callable[[Any, Setting], Predicate]] = {
    Choice: _choice,
    Span: _span,
    Tags: _tags,
    Belongs: _belongs,
    Happened: _happened,
    Own: _own,
    Trip: _trip,
    Bucket: _bucket,
    InSegment: _segment,
}
