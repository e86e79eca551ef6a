"""What a repair says, in words: the state before and after."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.agents.models import Agent
from crm.customers.models import Contact
from crm.shared.formatting import digits, moment

_LABELS = {
    "status": gettext_lazy("状态"),
    "added_at": gettext_lazy("加微时间"),
    "joined_at": gettext_lazy("入群时间"),
    "tags": gettext_lazy("标签"),
    "owner": gettext_lazy("群主"),
    "name": gettext_lazy("名称"),
    "members": gettext_lazy("人数"),
    "fields": gettext_lazy("字段"),
    "department": gettext_lazy("部门"),
    "group": gettext_lazy("标签组"),
    "observed": gettext_lazy("时间与经过"),
    "userid": gettext_lazy("成员编号"),
}
_FIELDS = {
    "remark": gettext_lazy("备注"),
    "description": gettext_lazy("描述"),
    "name": gettext_lazy("名称"),
    "notice": gettext_lazy("群公告"),
}
_STATES = dict(Agent.Status.choices) | dict(Contact.Status.choices)


def state_words(state: dict[str, Any]) -> str:
    """``{"status": "active"}`` → "状态：好友"; "" where nothing stood."""
    shown = [
        _("%(label)s：%(value)s") % {"label": _LABELS[name], "value": _VALUES[name](value)}
        for name, value in state.items()
        if name in _LABELS
    ]
    return " · ".join(shown)


def _instant(value: Any) -> str:
    return moment(datetime.fromisoformat(value))


def _fields(names: list[str]) -> str:
    return _("、").join(str(_FIELDS.get(name, name)) for name in names)


def _tags(names: list[str]) -> str:
    return _("、").join(names) or "—"


def _unseen(_value: Any) -> str:
    """Nobody saw it happen: neither when, nor who did it."""
    return _("没有人看到，无法得知")


_VALUES: dict[str, Callable[[Any], str]] = dict.fromkeys(_LABELS, str) | {
    "status": lambda value: str(_STATES.get(value, value)),
    "added_at": _instant,
    "joined_at": _instant,
    "tags": _tags,
    "members": digits,
    "fields": _fields,
    "observed": _unseen,
}
