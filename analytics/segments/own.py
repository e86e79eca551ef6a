"""Conditions on the company's own fields: whether they can be asked, and how they are in SQL.

A field may change its kind or lose an option after a rule was saved. Then the condition matches
nobody and its words say so, as with a tag that WeCom deleted; a new rule is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from analytics.segments.rule import Node, Own
from crm.fields.models import Field
from crm.fields.values import FieldRefused, read_value

Kind = Field.Kind
SPANS = (Kind.NUMBER, Kind.DATE)
_SAID = "v.value #>> '{}'"


@dataclass(frozen=True)
class Test:
    """A condition on a row ``v`` of the values, with its parameters."""

    sql: str
    params: tuple[Any, ...]


def own_fields(nodes: Iterable[Node]) -> dict[str, Field]:
    """The fields in use that these conditions name, by key."""
    keys = {node.key for node in nodes if isinstance(node, Own)}
    return {f.key: f for f in Field.objects.filter(key__in=keys, is_active=True)} if keys else {}


def problem(node: Own, fields: Mapping[str, Field]) -> str:
    """Why the condition cannot be asked of the field as it is now; empty where it can."""
    field = fields.get(node.key)
    if field is None:
        return _("没有自定义字段「%(key)s」，或它已停用") % {"key": node.key}
    if node.is_span and field.kind not in SPANS:
        words = _("「%(name)s」现在是%(kind)s，不能用范围；请重新选择取值")
        return words % {"name": field.label, "kind": field.get_kind_display()}
    try:
        for value in filter(None, (*node.values, node.low, node.high)):
            read_value(field, value)
    except FieldRefused as refused:
        return str(refused)
    return ""


def test_of(node: Own, fields: Mapping[str, Field]) -> Test | None:
    """The condition on values; None where it matches nobody."""
    if problem(node, fields):
        return None
    field = fields[node.key]
    tests, params = ["v.field_id = %s"], [field.pk]
    if node.values:
        sql, values = _one_of(field, node.values)
        tests.append(sql)
        params.append(values)
    is_number = field.kind == Kind.NUMBER
    kind, said = ("numeric", f"({_SAID})::numeric") if is_number else ("text", _SAID)
    for sign, limit in ((">=", node.low), ("<=", node.high)):
        if limit is not None:
            tests.append(f"{said} {sign} %s::{kind}")
            params.append(str(read_value(field, limit)))
    return Test(" and ".join(tests), tuple(params))


def _one_of(field: Field, values: tuple[str, ...]) -> tuple[str, list[str]]:
    if field.kind == Kind.CHOICES:
        return "v.value ?| %s::text[]", list(values)
    read = [read_value(field, value) for value in values]
    if field.kind == Kind.YES_NO:
        return "v.value::text = any(%s::text[])", [str(value).lower() for value in read]
    return f"{_SAID} = any(%s::text[])", [str(value) for value in read]
