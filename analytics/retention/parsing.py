"""Reading a retention question from words: the command, the API and the page ask through here."""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from analytics.funnels.parsing import parse_as_of, parse_day, parse_step
from analytics.funnels.question import QuestionRefused, Step
from analytics.retention.question import RetentionQuestion

FIELDS = ("birth", "return", "period", "kind", "mode", "brackets", "from", "to", "as_of")
DEFAULT_BRACKETS = (1, 3, 7, 14, 30)


def retention_from(values: Mapping[str, Any]) -> RetentionQuestion:
    """A question from plain values; raises QuestionRefused, which names the field."""
    if unknown := sorted(set(values) - set(FIELDS)):
        raise QuestionRefused(
            _("没有「%(field)s」这一项；可用的有 %(fields)s")
            % {"field": str(unknown[0])[:40], "fields": "、".join(FIELDS)},
            field=str(unknown[0])[:40],
        )
    kind = _word(values, "kind", "on")
    brackets = parse_brackets(values.get("brackets"))
    return RetentionQuestion(
        birth=_step(values, "birth"),
        comes_back=_step(values, "return"),
        period=_word(values, "period", "week"),
        kind=kind,
        mode=_word(values, "mode", "rolling"),
        brackets=brackets or (DEFAULT_BRACKETS if kind == "bracket" else ()),
        since=parse_day(values.get("from"), "from"),
        until=parse_day(values.get("to"), "to"),
        as_of=parse_as_of(values.get("as_of")),
    )


def parse_brackets(value: Any) -> tuple[int, ...]:
    """Last days of brackets from `1,3,7` or a list of whole numbers."""
    if not value:
        return ()
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    texts = [str(part).strip() for part in parts]
    if not all(re.fullmatch(r"[0-9]{1,5}", text) for text in texts):
        raise QuestionRefused(
            _("看不懂天数区间「%(text)s」：请写作 1,3,7,14,30") % {"text": str(value)[:40]},
            field="brackets",
        )
    return tuple(int(text) for text in texts)


def _step(values: Mapping[str, Any], field: str) -> Step:
    text = values.get(field) or ""
    if not isinstance(text, str) or not text.strip():
        raise QuestionRefused(_("请选择事件"), field=field)
    try:
        return parse_step(text)
    except QuestionRefused as refusal:
        raise QuestionRefused(str(refusal), field=field) from refusal


def _word(values: Mapping[str, Any], field: str, otherwise: str) -> Any:
    value = values.get(field) or otherwise
    if not isinstance(value, str):
        raise QuestionRefused(_("%(field)s 须是文字") % {"field": field}, field=field)
    return value
