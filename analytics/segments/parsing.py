"""From JSON to a rule. Every refusal names the place in the tree and what to write instead."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from analytics.segments import rule
from analytics.segments.fields import FIELDS, SPANS, Field
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
from crm.shared.errors import DomainError

HOWS = ("all", "any", "none")
_BIGGEST = 10**15


class RuleRefused(DomainError):
    """A rule that cannot be asked; ``field`` is the place, as in ``all[2].any[0].from``."""

    code = "rule_refused"


def rule_from(body: Any) -> Group:
    """The rule that JSON describes; the top is always a group. Raises RuleRefused."""
    count = [0]
    node = _node(body, "", 0, count)
    return node if isinstance(node, Group) else Group("all", (node,))


def _node(body: Any, place: str, depth: int, count: list[int]) -> Node:
    count[0] += 1
    if count[0] > rule.MAX_NODES or depth > rule.MAX_DEPTH:
        raise RuleRefused(
            _("条件太多：最多 %(nodes)s 个条件、%(depth)s 层；请拆成几个分群再引用")
            % {"nodes": rule.MAX_NODES, "depth": rule.MAX_DEPTH},
            field=place or "rule",
        )
    if not isinstance(body, dict):
        raise _refusal(place, _("这里应是一个条件"))
    for how in HOWS:
        if how in body:
            return _group(how, body, place, depth, count)
    for name, read in _CONDITIONS.items():
        if name in body:
            return read(body, place)
    raise _refusal(place, _("认不出这个条件：%(keys)s") % {"keys": "、".join(map(str, body))[:80]})


def _group(how: str, body: dict, place: str, depth: int, count: list[int]) -> Group:
    _only(body, place, how)
    parts = body[how]
    if not isinstance(parts, list):
        raise _refusal(_at(place, how), _("这里应是一列条件"))
    return Group(
        how,
        tuple(
            _node(part, f"{_at(place, how)}[{number}]", depth + 1, count)
            for number, part in enumerate(parts)
        ),
    )


def _attribute(body: dict, place: str) -> Node:
    _only(body, place, "field", "in", "from", "to")
    field = FIELDS.get(body["field"]) if isinstance(body["field"], str) else None
    if field is None:
        raise _refusal(
            _at(place, "field"),
            _("没有属性「%(name)s」，可选：%(have)s")
            % {"name": str(body["field"])[:40], "have": "、".join(FIELDS)},
        )
    if field.type in SPANS:
        return _span(field, body, place)
    return Choice(field.name, _choices(field, body, place))


def _span(field: Field, body: dict, place: str) -> Span:
    _only(body, place, "field", "from", "to")
    low = _whole(body, "from", place, default=None, least=-_BIGGEST, most=_BIGGEST)
    high = _whole(body, "to", place, default=None, least=-_BIGGEST, most=_BIGGEST)
    if low is None and high is None:
        raise _refusal(_at(place, "from"), _("请写下限（from）或上限（to）"))
    _ordered(low, high, place)
    return Span(field.name, low, high)


def _choices(field: Field, body: dict, place: str) -> tuple[int | str, ...]:
    _only(body, place, "field", "in")
    where = _at(place, "in")
    values = body.get("in")
    if not isinstance(values, list) or not values or len(values) > rule.MAX_VALUES:
        raise _refusal(where, _("请给出 1 到 %(max)s 个取值") % {"max": rule.MAX_VALUES})
    wanted = int if field.name in ("channel", "gender") else str
    if not all(isinstance(v, wanted) and not isinstance(v, bool) for v in values):
        kind = _("数字") if wanted is int else _("文字")
        raise _refusal(where, _("取值应是%(kind)s") % {"kind": kind})
    known = {code for code, _label in field.choices}
    if known and (strange := [str(v) for v in values if v not in known]):
        raise _refusal(
            where,
            _("没有取值「%(value)s」，可选：%(have)s")
            % {"value": strange[0][:40], "have": "、".join(map(str, known))},
        )
    return tuple(dict.fromkeys(values))


def _tags(body: dict, place: str) -> Tags:
    _only(body, place, "tags", "ids")
    if body["tags"] not in HOWS:
        raise _refusal(_at(place, "tags"), _("请从 all、any、none 中选一个"))
    return Tags(body["tags"], _ids(body, "ids", place))


def _belongs(to: str) -> Callable[[dict, str], Belongs]:
    def read(body: dict, place: str) -> Belongs:
        _only(body, place, to)
        return Belongs(to, _ids(body, to, place))

    return read


def _happened(body: dict, place: str) -> Happened:
    _only(body, place, "fact", "days", "at_least", "at_most", "where")
    kind = body["fact"]
    if not isinstance(kind, str) or not kind:
        raise _refusal(_at(place, "fact"), _("请写事实的代码，例如 route_viewed"))
    days = _whole(body, "days", place, least=1, most=rule.MAX_DAYS)
    times = {
        name: _whole(body, name, place, default=None, least=least, most=rule.MAX_TIMES)
        for name, least in (("at_least", 1), ("at_most", 0))
    }
    if times["at_least"] is None and times["at_most"] is None:
        times["at_least"] = 1
    _ordered(times["at_least"], times["at_most"], place)
    where = body.get("where", {})
    if not isinstance(where, Mapping) or len(where) > 5:
        raise _refusal(_at(place, "where"), _("属性条件应是“属性: 取值”，最多 5 个"))
    for name, value in where.items():
        if not (isinstance(name, str) and isinstance(value, str) and name and len(value) <= 200):
            raise _refusal(_at(place, f"where.{name}"), _("属性的取值应是文字"))
    return Happened(kind, days, times["at_least"], times["at_most"], tuple(sorted(where.items())))


def _own(body: dict, place: str) -> Own:
    _only(body, place, "own", "in", "from", "to")
    key = body["own"]
    if not isinstance(key, str) or not 1 <= len(key) <= 32:
        raise _refusal(_at(place, "own"), _("请写自定义字段的代码"))
    values = body.get("in", [])
    if not isinstance(values, list) or len(values) > rule.MAX_VALUES:
        raise _refusal(_at(place, "in"), _("请给出 1 到 %(max)s 个取值") % {"max": rule.MAX_VALUES})
    limits = {name: body.get(name) for name in ("from", "to")}
    for name, value in (*limits.items(), *(("in", value) for value in values)):
        if value is not None and not (isinstance(value, str) and 0 < len(value) <= 200):
            raise _refusal(_at(place, name), _("取值应是%(kind)s") % {"kind": _("文字")})
    if values and any(limits.values()):
        raise _refusal(_at(place, "in"), _("取值（in）和范围（from、to）只能写一种"))
    return Own(key, tuple(dict.fromkeys(values)), limits["from"], limits["to"])


def _trip(body: dict, place: str) -> Trip:
    _only(body, place, "trip", "from", "to")
    if body["trip"] not in ("start", "return"):
        raise _refusal(_at(place, "trip"), _("请选出发（start）或返回（return）"))
    limit = rule.MAX_DAYS
    low = _whole(body, "from", place, least=-limit, most=limit)
    high = _whole(body, "to", place, least=-limit, most=limit)
    _ordered(low, high, place)
    return Trip(body["trip"], low, high)


def _bucket(body: dict, place: str) -> Bucket:
    _only(body, place, "bucket", "salt")
    limits, salt = body["bucket"], body.get("salt", "")
    whole = isinstance(limits, list) and len(limits) == 2
    if not whole or not all(type(n) is int and 0 <= n <= 100 for n in limits):
        raise _refusal(_at(place, "bucket"), _("随机分组应是两个 0 到 100 的百分数，如 [0, 10]"))
    if limits[0] >= limits[1]:
        raise _refusal(_at(place, "bucket"), _("第一个百分数要小于第二个"))
    if not isinstance(salt, str) or not 1 <= len(salt) <= 64:
        raise _refusal(_at(place, "salt"), _("请给随机分组一个名字（salt），1 到 64 个字"))
    return Bucket(limits[0], limits[1], salt)


def _segment(body: dict, place: str) -> InSegment:
    _only(body, place, "segment")
    return InSegment(_whole(body, "segment", place, least=1, most=2**62))


_CONDITIONS: dict[str, Callable[[dict, str], Node]] = {
    "field": _attribute,
    "tags": _tags,
    "group": _belongs("group"),
    "agent": _belongs("agent"),
    "fact": _happened,
    "own": _own,
    "trip": _trip,
    "bucket": _bucket,
    "segment": _segment,
}


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _refusal(place: str, words: str) -> RuleRefused:
    return RuleRefused(f"{place or 'rule'}: {words}", field=place or "rule")


def _only(body: dict, place: str, *allowed: str) -> None:
    if strange := [str(name) for name in body if name not in allowed]:
        raise _refusal(
            _at(place, strange[0][:40]),
            _("这里只能写 %(names)s") % {"names": "、".join(allowed)},
        )


def _ordered(low: int | None, high: int | None, place: str) -> None:
    if low is not None and high is not None and low > high:
        raise _refusal(place, _("下限大于上限，请对调"))


def _ids(body: dict, name: str, place: str) -> tuple[int, ...]:
    ids = body.get(name)
    good = isinstance(ids, list) and 0 < len(ids) <= rule.MAX_VALUES
    if not good or not all(type(n) is int and 0 < n < 2**62 for n in ids):
        raise _refusal(_at(place, name), _("请给出 1 到 %(max)s 个编号") % {"max": rule.MAX_VALUES})
    return tuple(dict.fromkeys(ids))


_REQUIRED = object()


def _whole(body: dict, name: str, place: str, *, least: int, most: int, default: Any = _REQUIRED):
    value = body.get(name)
    if value is None and default is not _REQUIRED:
        return default
    if type(value) is not int or not least <= value <= most:
        raise _refusal(
            _at(place, name),
            _("请写 %(least)s 到 %(most)s 的整数") % {"least": least, "most": most},
        )
    return value
