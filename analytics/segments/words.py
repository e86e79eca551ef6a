"""A rule in words, with the names of tags, groups, agents and segments."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from analytics.segments.fields import FIELDS
from analytics.segments.models import Segment
from analytics.segments.own import own_fields, problem
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
    walk,
)
from crm.agents.models import Agent, User
from crm.customers.models import Channel, Tag
from crm.fields.models import Field
from crm.groups.models import Group as CustomerGroup
from crm.timeline.models import FactKind


@dataclass
class Names:
    """Names of what a rule refers to by number or code; unknown ones keep their number."""

    tags: dict[int, str] = field(default_factory=dict)
    channels: dict[int, str] = field(default_factory=dict)
    agents: dict[int, str] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    segments: dict[int, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    own: dict[str, Field] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """One condition in words, or a group with what is under it."""

    text: str
    lines: tuple["Line", ...] = ()


def names_of(rule: Node, user: User) -> Names:
    """The names that the words of a rule need, in a query each; agents and groups in scope only."""
    nodes = list(walk(rule))

    def ids(wanted: Callable[[Node], Iterable[int]]) -> set[int]:
        return {pk for node in nodes for pk in wanted(node)}

    tags = ids(lambda n: n.ids if isinstance(n, Tags) else ())
    agents = ids(lambda n: n.ids if isinstance(n, Belongs) and n.to == "agent" else ())
    groups = ids(lambda n: n.ids if isinstance(n, Belongs) and n.to == "group" else ())
    segments = ids(lambda n: (n.segment,) if isinstance(n, InSegment) else ())
    is_channel = any(isinstance(n, Choice) and n.field == "channel" for n in nodes)
    kinds = FactKind.objects.all() if any(isinstance(n, Happened) for n in nodes) else ()
    return Names(
        tags=_tag_names(tags) if tags else {},
        channels=_named(Channel.objects.all()) if is_channel else {},
        agents=_named(Agent.objects.for_user(user).filter(pk__in=agents)) if agents else {},
        groups=_named(CustomerGroup.objects.for_user(user).filter(pk__in=groups)) if groups else {},
        segments=_named(Segment.objects.for_user(user).filter(pk__in=segments)) if segments else {},
        kinds={kind.code: kind.label for kind in kinds},
        own=own_fields(nodes),
    )


def _named(rows: Any) -> dict[int, str]:
    return dict(rows.values_list("pk", "name"))


def _tag_names(ids: set[int]) -> dict[int, str]:
    """A tag that WeCom deleted matches nobody any more, and says so."""
    return {
        pk: _("%(name)s（已删除）") % {"name": name} if is_deleted else name
        for pk, name, is_deleted in Tag.objects.filter(pk__in=ids).values_list(
            "pk", "name", "is_deleted"
        )
    }


def words_for(rule: Node, user: User) -> Line:
    """The rule as nested lines, in words that this user may read."""
    return _line(rule, names_of(rule, user))


def _line(rule: Node, names: Names) -> Line:
    if isinstance(rule, Group):
        heads = {"all": _("同时满足"), "any": _("满足任意一条"), "none": _("一条都不满足")}
        text = heads[rule.how] if rule.parts else _("所有客户")
        return Line(text, tuple(_line(part, names) for part in rule.parts))
    return Line(_WORDS[type(rule)](rule, names))


def in_one_line(line: Line) -> str:
    """The same words in one line, groups in brackets."""
    if not line.lines:
        return line.text
    return f"{line.text}（{_('；').join(in_one_line(part) for part in line.lines)}）"


def _choice(node: Choice, names: Names) -> str:
    known = FIELDS[node.field]
    labels = {code: str(label) for code, label in known.options()}
    if node.field == "channel":
        labels = names.channels
    values = [labels.get(value, str(value)) for value in node.values]
    return _("%(name)s：%(values)s") % {"name": known.label, "values": "、".join(values)}


def _span(node: Span, names: Names) -> str:
    known = FIELDS[node.field]
    unit = str(known.unit)
    if node.low is None:
        return _("%(name)s不超过 %(high)s %(unit)s") % {
            "name": known.label, "high": node.high, "unit": unit,
        }  # fmt: skip
    if node.high is None:
        return _("%(name)s至少 %(low)s %(unit)s") % {
            "name": known.label, "low": node.low, "unit": unit,
        }  # fmt: skip
    return _("%(name)s %(low)s 到 %(high)s %(unit)s") % {
        "name": known.label, "low": node.low, "high": node.high, "unit": unit,
    }  # fmt: skip


def _tags(node: Tags, names: Names) -> str:
    words = {
        "any": _("有标签之一：%(tags)s"),
        "all": _("有全部标签：%(tags)s"),
        "none": _("没有标签：%(tags)s"),
    }[node.how]
    return words % {"tags": _listed(node.ids, names.tags)}


def _belongs(node: Belongs, names: Names) -> str:
    if node.to == "group":
        return _("在群里：%(groups)s") % {"groups": _listed(node.ids, names.groups)}
    return _("是这些员工的好友：%(agents)s") % {"agents": _listed(node.ids, names.agents)}


def _listed(ids: Iterable[int], names: dict[int, str]) -> str:
    return "、".join(names.get(pk, f"#{pk}") for pk in ids)


def _happened(node: Happened, names: Names) -> str:
    what = names.kinds.get(node.kind, node.kind)
    if node.where:
        what += "（" + "、".join(f"{name} = {value}" for name, value in node.where) + "）"
    values = {"days": node.days, "what": what, "low": node.at_least, "high": node.at_most}
    if node.at_most == 0:
        return _("%(days)s 天内没有 %(what)s") % values
    if node.at_most is None:
        return _("%(days)s 天内 %(what)s 至少 %(low)s 次") % values
    if node.at_least is None:
        return _("%(days)s 天内 %(what)s 不超过 %(high)s 次") % values
    return _("%(days)s 天内 %(what)s %(low)s 到 %(high)s 次") % values


def _own(node: Own, names: Names) -> str:
    """A field that changed since matches nobody, and says so."""
    known = names.own.get(node.key)
    name = known.label if known else node.key
    if node.values:
        text = _("%(name)s：%(values)s") % {"name": name, "values": "、".join(node.values)}
    elif node.is_span:
        limits = {"name": name, "low": node.low or "…", "high": node.high or "…"}
        text = _("%(name)s从 %(low)s 到 %(high)s") % limits
    else:
        text = _("%(name)s已填写") % {"name": name}
    if words := problem(node, names.own):
        return _("%(text)s（匹配不到人：%(why)s）") % {"text": text, "why": words}
    return text


def _trip(node: Trip, names: Names) -> str:
    side = _("出发日期") if node.side == "start" else _("返回日期")
    values = {"side": side, "low": node.low, "high": node.high}
    return _("%(side)s在今天起第 %(low)s 到 %(high)s 天") % values


def _bucket(node: Bucket, names: Names) -> str:
    values = {"low": node.low, "high": node.high, "salt": node.salt}
    return _("随机分组「%(salt)s」的 %(low)s%% 到 %(high)s%%") % values


def _segment(node: InSegment, names: Names) -> str:
    return _("在分群「%(name)s」里") % {"name": _listed((node.segment,), names.segments)}


_WORDS: dict[type, Callable[[Any, Names], str]] = {
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
