"""Variables in a text: ``{{name|亲爱的}}`` is the customer's name, or the words after the bar.

Every variable needs its fallback, so that no customer ever reads a hole; those of a product card,
``{{车程}}``, may go without where the card tells the fact. What a value says is put in as it is and
never read as a variable again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.agents.models import Agent
from crm.catalog.models import Order
from crm.content.card_names import DRIVE, PRICE, PRODUCT, ROOM, WALK
from crm.customers.models import Customer
from crm.fields.models import FieldValue
from crm.fields.queries import active_fields
from crm.fields.values import words
from crm.shared.errors import DomainError

KNOWN: dict[str, str | Promise] = {
    "name": gettext_lazy("客户称呼"),
    "agent": gettext_lazy("员工姓名"),
    "city": gettext_lazy("所在城市"),
    "destination": gettext_lazy("最近订单的目的地"),
}
# What a product card tells, the same to everybody.
OF_CARD: dict[str, str | Promise] = {
    DRIVE: gettext_lazy("产品卡片的车程"),
    WALK: gettext_lazy("产品卡片的步行距离"),
    ROOM: gettext_lazy("产品卡片的房间条件"),
    PRODUCT: gettext_lazy("产品卡片的标题"),
    PRICE: gettext_lazy("产品卡片的价格"),
}
OWN = "field."
_VARIABLE = re.compile(r"\{\{\s*([\w.]+)\s*(?:\|([^{}|]*))?\}\}")


class TextRefused(DomainError):
    """A text with variables cannot stand as it was written."""

    code = "text_refused"


@dataclass(frozen=True)
class Variable:
    """A place for one value, and what is said where there is none."""

    name: str
    fallback: str

    def __str__(self) -> str:
        return f"{{{{{self.name}|{self.fallback}}}}}" if self.fallback else f"{{{{{self.name}}}}}"


Parts = tuple[str | Variable, ...]


def parse(text: str, known: Sequence[str] | None = None) -> Parts:
    """The text in pieces; raises TextRefused for what is no variable or lacks its fallback.

    ``known`` are the names that may stand there, all of ours by default.
    """
    names = names_known() if known is None else set(known)
    parts: list[str | Variable] = []
    place = 0
    for found in _VARIABLE.finditer(text):
        _literal(text[place : found.start()], parts)
        name, fallback = found.group(1), (found.group(2) or "").strip()
        if name not in names:
            shown = {"name": name[:40], "have": "、".join(sorted(names))}
            raise TextRefused(_("没有变量「%(name)s」，可用：%(have)s") % shown, field="text")
        if not fallback and name not in OF_CARD:
            raise TextRefused(
                _("变量「%(name)s」缺少备用文字，请写成 {{%(name)s|备用文字}}") % {"name": name},
                field="text",
            )
        parts.append(Variable(name, fallback))
        place = found.end()
    _literal(text[place:], parts)
    return tuple(parts)


def _literal(text: str, parts: list[str | Variable]) -> None:
    if "{{" in text or "}}" in text:
        at = text.index("{{") if "{{" in text else text.index("}}")
        shown = {"text": text[at : at + 20]}
        raise TextRefused(
            _("「%(text)s」不是完整的变量，请写成 {{name|备用文字}}") % shown, field="text"
        )
    if text:
        parts.append(text)


def problems(text: str) -> list[str]:
    """Everything that ``parse`` would refuse, each in its words, in the order of the text."""
    known, found, place = list(names_known()), [], 0
    pieces = []
    for match in _VARIABLE.finditer(text):
        pieces += [text[place : match.start()], match.group()]
        place = match.end()
    for piece in (*pieces, text[place:]):
        try:
            parse(piece, known)
        except TextRefused as refused:
            found.append(str(refused))
    return list(dict.fromkeys(found))


def names_known() -> set[str]:
    """Names of all variables, the company's own fields among them."""
    return {*KNOWN, *OF_CARD, *(f"{OWN}{field.key}" for field in active_fields())}


def has_variables(text: str) -> bool:
    """Whether the text is for one person at a time, or means to be and is miswritten."""
    return "{{" in text or "}}" in text


def written(parts: Parts) -> str:
    """The text again, as it would be typed."""
    return "".join(str(part) for part in parts)


def filled(parts: Parts, values: Mapping[str, str]) -> str:
    """The text for one person: a value where there is one, else the fallback."""
    return "".join(
        part if isinstance(part, str) else values.get(part.name) or part.fallback for part in parts
    )


def told(text: str, values: Mapping[str, str]) -> str:
    """The text with ``values`` put in; every other variable stands as it was written.

    A value that is empty leaves its fallback, or the variable itself where there is none.
    """

    def place(found: re.Match) -> str:
        if found.group(1) not in values:
            return found.group(0)
        return values[found.group(1)] or (found.group(2) or "").strip() or found.group(0)

    return _VARIABLE.sub(place, text)


def values_of(customer: Customer, agent: Agent | None) -> dict[str, str]:
    """What is known of one person; an agent's own remark is how they call the customer."""
    remark = ""
    if agent:
        contact = customer.contacts.current().filter(agent=agent).first()
        remark = contact.remark if contact else ""
    order = (
        Order.unsafe_all.filter(customer=customer, paid_at__isnull=False)
        .exclude(destination="")
        .order_by("-paid_at")
        .first()
    )
    own = FieldValue.unsafe_all.filter(customer=customer, field__is_active=True)
    return {
        "name": remark or customer.name,
        "agent": agent.name if agent else "",
        "city": customer.city,
        "destination": order.destination if order else "",
    } | {
        f"{OWN}{row.field.key}": words(row.field, row.value) for row in own.select_related("field")
    }
