"""What the builder offers: kinds of conditions, and the values to choose from."""

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from analytics.segments.drafting import Draft
from analytics.segments.fields import FIELDS, SPANS
from analytics.segments.models import Segment
from analytics.segments.own import SPANS as SPANNED
from crm.agents.models import Agent, User
from crm.customers.models import Channel, Tag
from crm.fields.models import Field as OwnField
from crm.fields.queries import active_fields
from crm.groups.models import Group as CustomerGroup
from crm.timeline.models import FactKind

MOST = 1_000  # Of one kind in a list.
Option = tuple[str, str, bool]  # value, label, chosen


@dataclass
class Row:
    """A node of the builder with everything its template shows."""

    prefix: str
    type: str
    label: str
    unit: str
    input: str  # span, choice, text, or the type itself
    values: dict[str, str]
    error: str
    options: list[Option] = field(default_factory=list)
    hows: list[Option] = field(default_factory=list)
    parts: list["Row"] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.parts)


class Shelf:
    """Values to choose from, each list read once a page and only where it is asked for."""

    def __init__(self, user: User) -> None:
        self.user = user
        self._lists: dict[str, list[tuple[str, str]]] = {}

    def of(self, name: str) -> list[tuple[str, str]]:
        """(value, label) pairs."""
        if name not in self._lists:
            self._lists[name] = getattr(self, f"_{name}")()
        return self._lists[name]

    def _tags(self) -> list[tuple[str, str]]:
        rows = Tag.objects.filter(is_deleted=False).select_related("group")[:MOST]
        return [(str(tag.pk), f"{tag.group.name} / {tag.name}") for tag in rows]

    def _member(self) -> list[tuple[str, str]]:
        rows = CustomerGroup.objects.for_user(self.user).current()[:MOST]
        return [(str(group.pk), str(group)) for group in rows]

    def _agent(self) -> list[tuple[str, str]]:
        rows = Agent.objects.for_user(self.user).order_by("name")[:MOST]
        return [(str(agent.pk), agent.name) for agent in rows]

    def _channel(self) -> list[tuple[str, str]]:
        return [(str(c.pk), c.name) for c in Channel.objects.order_by("name")[:MOST]]

    def _segment(self) -> list[tuple[str, str]]:
        rows = Segment.objects.for_user(self.user).filter(is_archived=False)[:MOST]
        return [(str(segment.pk), segment.name) for segment in rows]

    def _own(self) -> list[tuple[str, str]]:
        return [(field.key, field.label) for field in active_fields()]

    def _fact(self) -> list[tuple[str, str]]:
        return [(kind.code, str(kind.label)) for kind in FactKind.objects.all()]


def kinds() -> list[tuple[str, list[tuple[str, str]]]]:
    """What can be added, in groups: (title, [(kind, label)])."""
    own = [(f"own:{field.key}", field.label) for field in active_fields()]
    return [
        (_("客户"), [(f"field:{f.name}", str(f.label)) for f in FIELDS.values()]),
        (
            _("关系"),
            [
                ("tags", _("标签")),
                ("agent", _("员工的好友")),
                ("member", _("在客户群里")),
                ("segment", _("在另一个分群里")),
            ],
        ),
        *([(_("自定义字段"), own)] if own else []),
        (_("行为"), [("fact", _("做过什么")), ("trip", _("行程日期"))]),
        (_("其他"), [("bucket", _("随机分组")), ("any", _("一组条件"))]),
    ]


def row_of(draft: Draft, shelf: Shelf) -> Row:
    """The node and all below it, ready to show."""
    name = draft.values.get("field", "")
    known = FIELDS.get(name)
    row = Row(
        prefix=draft.prefix,
        type=draft.type,
        label=_label(draft),
        unit=str(known.unit) if known and draft.type == "field" else "",
        input=_input(draft),
        values=draft.values,
        error=draft.error,
        parts=[row_of(part, shelf) for part in draft.parts],
    )
    if draft.type == "fact":
        named = zip(draft.lists.get("property", []), draft.lists.get("equals", []), strict=False)
        row.pairs = [*((name, value) for name, value in named if name), ("", "")]
    row.options = _options(draft, shelf)
    row.hows = [(how, label, draft.values.get("how") == how) for how, label in _hows(draft.type)]
    return row


def _label(draft: Draft) -> str:
    if draft.type == "field":
        known = FIELDS.get(draft.values.get("field", ""))
        return str(known.label) if known else "?"
    labels = dict(pair for _title, pairs in kinds() for pair in pairs)
    return labels.get(draft.kind, draft.values.get("own") or _("一组条件"))


def _own_field(draft: Draft) -> OwnField | None:
    return next((f for f in active_fields() if f.key == draft.values.get("own")), None)


def _input(draft: Draft) -> str:
    if draft.type == "own":
        field = _own_field(draft)
        if field is None or field.kind == OwnField.Kind.TEXT:
            return "text"
        return "span" if field.kind in SPANNED else "choice"
    if draft.type != "field":
        return draft.type
    known = FIELDS.get(draft.values.get("field", ""))
    if known is None:
        return "unknown"
    if known.type in SPANS:
        return "span"
    return "text" if known.type == "text" else "choice"


def _options(draft: Draft, shelf: Shelf) -> list[Option]:
    if draft.type == "own":
        field = _own_field(draft)
        if field is None or _input(draft) != "choice":
            return []
        pairs = [(option, option) for option in field.options]
        if field.kind == OwnField.Kind.YES_NO:
            pairs = [("yes", _("是")), ("no", _("否"))]
        return _chosen(pairs, draft.lists.get("in", []))
    if draft.type == "field":
        known = FIELDS.get(draft.values.get("field", ""))
        if known is None or _input(draft) != "choice":
            return []
        pairs = shelf.of("channel") if known.name == "channel" else known.options()
        return _chosen(pairs, draft.lists.get("in", []))
    if draft.type in ("fact", "segment"):
        return _chosen(shelf.of(draft.type), [draft.values.get(draft.type, "")])
    if draft.type in ("tags", "member", "agent"):
        return _chosen(shelf.of(draft.type), draft.lists.get("ids", []))
    return []


def _chosen(pairs: Any, wanted: list[str]) -> list[Option]:
    """The values to choose from; what was chosen and is offered no more stays, by its number."""
    offered = [(str(value), str(label), str(value) in wanted) for value, label in pairs]
    known = {value for value, _label, _is_chosen in offered}
    return offered + [
        (value, f"#{value}", True) for value in wanted if value and value not in known
    ]


def _hows(kind: str) -> list[tuple[str, str]]:
    if kind == "tags":
        return [("any", _("有其中之一")), ("all", _("全都有")), ("none", _("一个都没有"))]
    return [("all", _("同时满足")), ("any", _("满足任意一条")), ("none", _("一条都不满足"))]
