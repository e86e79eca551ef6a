"""The builder's form: a tree of conditions as flat fields, so that it works without JavaScript.

A node has a prefix (``n``, ``n.0``, ``n.0.2``) and fields under it; a group says how many parts it
has. What people typed is kept as it is until the rule is made of it, also when it is wrong.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from analytics.segments.fields import FIELDS, SPANS
from analytics.segments.parsing import HOWS, RuleRefused
from analytics.segments.rule import MAX_DEPTH, MAX_NODES

TOP = "n"
LISTS = ("in", "ids", "property", "equals")  # Fields with several values.
_TEXTS = ("how", "field", "from", "to", "fact", "days", "times", "count", "value", "own")
_MORE = ("trip", "salt", "segment")


@dataclass
class Draft:
    """One node of the form; ``type`` is group, or field, tags, member, agent, fact, trip …"""

    type: str
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    parts: list["Draft"] = field(default_factory=list)
    prefix: str = TOP
    error: str = ""

    def numbered(self, prefix: str = TOP) -> "Draft":
        """The same tree, its prefixes in order."""
        self.prefix = prefix
        for number, part in enumerate(self.parts):
            part.numbered(f"{prefix}.{number}")
        return self

    @property
    def kind(self) -> str:
        """What the condition asks: ``field:age``, ``tags`` …"""
        named = self.type in ("field", "own")
        return f"{self.type}:{self.values.get(self.type, '')}" if named else self.type


def draft_from_post(post: QueryDict) -> Draft:
    """The tree that was posted; at most as many nodes as a rule may have."""
    left = [MAX_NODES]

    def read(prefix: str, depth: int) -> Draft:
        left[0] -= 1
        kind = post.get(f"{prefix}.type", "group")
        values = {
            name: post[f"{prefix}.{name}"].strip()[:200]
            for name in (*_TEXTS, *_MORE)
            if f"{prefix}.{name}" in post
        }
        lists = {name: post.getlist(f"{prefix}.{name}") for name in LISTS}
        draft = Draft(kind, values, lists, prefix=prefix)
        size = post.get(f"{prefix}.size", "0")
        count = int(size) if size.isascii() and size.isdigit() and len(size) < 5 else 0
        for number in range(count):
            if left[0] > 0 and depth < MAX_DEPTH:
                draft.parts.append(read(f"{prefix}.{number}", depth + 1))
        return draft

    return read(TOP, 0)


def changed(draft: Draft, post: QueryDict) -> Draft:
    """The draft after the button that was pressed: ``add:PREFIX`` or ``remove:PREFIX``."""
    verb, _colon, prefix = post.get("do", "").partition(":")
    if verb == "add" and (group := _find(draft, prefix)) and group.type == "group":
        group.parts.append(new_node(post.get(f"{prefix}.new", "")))
    if verb == "remove" and "." in prefix:
        above, _dot, number = prefix.rpartition(".")
        group = _find(draft, above)
        if group and number.isdigit() and int(number) < len(group.parts):
            del group.parts[int(number)]
    return draft.numbered()


def _find(draft: Draft, prefix: str) -> Draft | None:
    if draft.prefix == prefix:
        return draft
    return next((found for part in draft.parts if (found := _find(part, prefix))), None)


def new_node(kind: str) -> Draft:
    """An empty condition of a kind; a kind that does not exist becomes a group."""
    if kind.startswith("field:") and kind[6:] in FIELDS:
        return Draft("field", {"field": kind[6:]})
    if kind.startswith("own:"):
        return Draft("own", {"own": kind[4:36]})
    defaults: dict[str, dict[str, str]] = {
        "tags": {"how": "any"},
        "member": {},
        "agent": {},
        "fact": {"times": "at_least", "count": "1", "days": "14"},
        "trip": {"trip": "return", "from": "3", "to": "10"},
        "bucket": {"from": "0", "to": "10"},
        "segment": {},
    }
    if kind in defaults:
        return Draft(kind, defaults[kind])
    return Draft("group", {"how": kind if kind in HOWS else "any"})


def draft_from_rule(body: dict[str, Any]) -> Draft:
    """A saved rule (JSON) as a form."""
    how = next((how for how in HOWS if how in body), None)
    if how:
        parts = [draft_from_rule(part) for part in body[how]]
        return Draft("group", {"how": how}, parts=parts).numbered()
    return next(make(body) for name, make in _FORMS.items() if name in body)


def _texts(body: dict[str, Any], *names: str) -> dict[str, str]:
    return {name: str(body[name]) for name in names if name in body}


def _field_form(body: dict[str, Any]) -> Draft:
    lists = {"in": [str(value) for value in body.get("in", [])]}
    values = _texts(body, "field", "from", "to")
    if FIELDS[body["field"]].type == "text":
        values["value"] = "、".join(lists["in"])
    return Draft("field", values, lists)


def _own_form(body: dict[str, Any]) -> Draft:
    values = _texts(body, "own", "from", "to")
    chosen = [str(value) for value in body.get("in", [])]
    return Draft("own", values | {"value": "、".join(chosen)}, {"in": chosen})


def _own_body(draft: Draft) -> dict[str, Any]:
    """Limits where there are any, else the values that were chosen or typed."""
    body: dict[str, Any] = {"own": draft.values.get("own", "")}
    limits = {name: draft.values[name] for name in ("from", "to") if draft.values.get(name)}
    if limits:
        return body | limits
    chosen = draft.lists.get("in") or _split(draft.values.get("value", ""))
    return body | ({"in": chosen} if chosen else {})


def _split(text: str) -> list[str]:
    return [word for word in re.split(r"[、,，;；\s]+", text) if word]


def _fact_form(body: dict[str, Any]) -> Draft:
    """A condition with both limits is shown as two, which mean the same."""
    both = [name for name in ("at_least", "at_most") if name in body]
    where = body.get("where", {})
    lists = {"property": list(where), "equals": list(where.values())}
    parts = [
        Draft(
            "fact",
            _texts(body, "fact", "days") | {"times": times, "count": str(body[times])},
            lists,
        )
        for times in both
    ]
    return parts[0] if len(parts) == 1 else Draft("group", {"how": "all"}, parts=parts)


def _bucket_form(body: dict[str, Any]) -> Draft:
    low, high = body["bucket"]
    return Draft("bucket", {"from": str(low), "to": str(high), "salt": body["salt"]})


def _ids_form(kind: str, name: str):
    def make(body: dict[str, Any]) -> Draft:
        values = {"how": body["tags"]} if kind == "tags" else {}
        return Draft(kind, values, {"ids": [str(pk) for pk in body[name]]})

    return make


_FORMS = {
    "field": _field_form,
    "tags": _ids_form("tags", "ids"),
    "group": _ids_form("member", "group"),
    "agent": _ids_form("agent", "agent"),
    "fact": _fact_form,
    "own": _own_form,
    "trip": lambda body: Draft("trip", _texts(body, "trip", "from", "to")),
    "bucket": _bucket_form,
    "segment": lambda body: Draft("segment", _texts(body, "segment")),
}


def rule_body(draft: Draft) -> dict[str, Any]:
    """The JSON of the rule; raises RuleRefused beside the field that is no number."""
    if draft.type == "group":
        how = draft.values.get("how", "all")
        parts = [rule_body(part) for part in draft.parts]
        return {how if how in HOWS else "all": parts}
    return _BODIES.get(draft.type, _no_such)(draft)


def _no_such(draft: Draft) -> dict[str, Any]:
    raise RuleRefused(_("认不出这个条件，请删除后重新添加"), field=draft.prefix)


def _whole(draft: Draft, name: str, *, needed: bool = True) -> int | None:
    text = draft.values.get(name, "")
    if not text and not needed:
        return None
    try:
        return int(text)
    except ValueError:
        raise RuleRefused(
            _("「%(text)s」不是整数") % {"text": text} if text else _("请填写整数"),
            field=draft.prefix,
        ) from None


def _limits(draft: Draft, *, needed: bool) -> dict[str, int]:
    found = {name: _whole(draft, name, needed=needed) for name in ("from", "to")}
    return {name: value for name, value in found.items() if value is not None}


def _field_body(draft: Draft) -> dict[str, Any]:
    name = draft.values.get("field", "")
    known = FIELDS.get(name)
    if known is None:
        return _no_such(draft)
    if known.type in SPANS:
        return {"field": name} | _limits(draft, needed=False)
    values: list[Any] = draft.lists.get("in", [])
    if known.type == "text":
        values = _split(draft.values.get("value", ""))
    if name in ("channel", "gender"):
        values = _numbers(values)
    return {"field": name, "in": values}


def _numbers(values: list[str]) -> list[int]:
    return [int(value) for value in values if value.isascii() and value.isdigit()]


def _fact_body(draft: Draft) -> dict[str, Any]:
    body = {"fact": draft.values.get("fact", ""), "days": _whole(draft, "days")}
    times = "at_most" if draft.values.get("times") == "at_most" else "at_least"
    body[times] = _whole(draft, "count")
    pairs = zip(draft.lists.get("property", []), draft.lists.get("equals", []), strict=False)
    if where := {name.strip(): value.strip() for name, value in pairs if name.strip()}:
        body["where"] = where
    return body


def _bucket_body(draft: Draft) -> dict[str, Any]:
    limits = [_whole(draft, "from"), _whole(draft, "to")]
    return {"bucket": limits, "salt": draft.values.get("salt", "")}


_BODIES = {
    "field": _field_body,
    "tags": lambda d: {"tags": d.values.get("how", "any"), "ids": _numbers(d.lists.get("ids", []))},
    "member": lambda d: {"group": _numbers(d.lists.get("ids", []))},
    "agent": lambda d: {"agent": _numbers(d.lists.get("ids", []))},
    "fact": _fact_body,
    "own": _own_body,
    "trip": lambda d: {"trip": d.values.get("trip", "return")} | _limits(d, needed=True),
    "bucket": _bucket_body,
    "segment": lambda d: {"segment": _whole(d, "segment")},
}


def put_error(draft: Draft, refusal: RuleRefused) -> bool:
    """Write a refusal beside its node; False where it belongs to none."""
    place = refusal.field or ""
    prefix = place
    if not place.startswith(TOP):
        prefix = ".".join([TOP, *re.findall(r"\[(\d+)\]", place)])
    if node := _find(draft, prefix):
        node.error = str(refusal)
    return node is not None
