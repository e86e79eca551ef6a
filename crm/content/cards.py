"""Product cards (产品卡片): what they tell, in the words that customers read."""

from collections.abc import Sequence
from typing import Protocol

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override, pgettext

from crm.catalog.models import Route
from crm.content.card_names import DRIVE, PRICE, PRODUCT, ROOM, WALK
from crm.content.models import FACT_FIELDS, CardFact, Material, MaterialPicture
from crm.content.variables import OF_CARD, Parts, TextRefused, Variable, parse, told
from crm.shared.errors import DomainError
from crm.shared.formatting import duration, money

Kind = Material.Kind
FACT_OF = {DRIVE: CardFact.DRIVE, WALK: CardFact.WALK, ROOM: CardFact.ROOM}
_KILOMETRE = 1000


class Card(Protocol):
    """A material, or what somebody is writing of one."""

    kind: str
    title: str
    text: str
    link_url: str
    link_title: str
    route: Route | None
    price_cents: int | None
    drive_minutes: int | None
    walk_metres: int | None
    room: str
    picture: MaterialPicture | None
    app_id: str
    app_page: str


class FactsLacking(DomainError):
    """A product card lacks what it must tell; ``material_id`` is where to fill it in."""

    code = "facts_lacking"

    def __init__(self, message: str, *, material_id: int | None, field: str = "material") -> None:
        super().__init__(message, field=field)
        self.material_id = material_id


def is_product(card: Card | None) -> bool:
    """Whether it tells of a product at all."""
    return card is not None and card.kind == Kind.PRODUCT


def title_of(card: Card) -> str:
    """What stands on the link or card: its own title, else that of a product's route."""
    return card.link_title or (card.route.title if is_product(card) and card.route else "")


def price_of(card: Card) -> int | None:
    """The card's own price in cents, else its route's."""
    return card.route.price_cents if card.price_cents is None and card.route else card.price_cents


def tells(card: Card, fact: str) -> bool:
    """Whether a fact is there; nought metres are one, an empty text is none."""
    value = getattr(card, FACT_FIELDS[CardFact(fact)])
    return bool(value.strip()) if isinstance(value, str) else value is not None


def untold(card: Card, facts: Sequence[str]) -> list[str]:
    """Those of ``facts`` that the card lacks, in their own order."""
    return [fact for fact in CardFact.values if fact in facts and not tells(card, fact)]


def names_of(facts: Sequence[str]) -> str:
    """The names of facts, one after the other."""
    return _("、").join(str(CardFact(fact).label) for fact in facts)


def card_values(card: Card) -> dict[str, str]:
    """Every variable of a card with its words, in the company's language whoever asks.

    What is no product card tells nothing, and its variables stand.
    """
    if not is_product(card):
        return {}
    with override(settings.LANGUAGE_CODE):
        price = price_of(card)
        return {
            DRIVE: duration((card.drive_minutes or 0) * 60) if tells(card, "drive") else "",
            WALK: _distance(card.walk_metres or 0) if tells(card, "walk") else "",
            ROOM: card.room.strip(),
            PRODUCT: title_of(card),
            PRICE: money(price) if price is not None else "",
        }


def _distance(metres: int) -> str:
    if metres < _KILOMETRE:
        return pgettext("distance", "%(n)s 米") % {"n": metres}
    return pgettext("distance", "%(n)s 公里") % {
        "n": f"{metres / _KILOMETRE:.1f}".removesuffix(".0")
    }


def with_facts(text: str, material: Material | None) -> str:
    """The text with what the card of ``material`` tells filled in, for everybody alike.

    Raises FactsLacking where a variable stands without its fact and without other words.
    """
    if material is None or not is_product(material):
        return text
    filled = told(text, card_values(material))
    if names := _holes(filled):
        shown = {"title": material.title, "names": _("、").join(names)}
        words = _(
            "文字里用了 %(names)s，产品卡片「%(title)s」却没有填写：请到素材里补齐，或写备用文字"
        )
        raise FactsLacking(words % shown, material_id=material.pk, field="text")
    return filled


def holes(card: Card) -> list[str]:
    """Variables of a card's own text that would stand empty."""
    return _holes(told(card.text, card_values(card)))


def _holes(text: str) -> list[str]:
    try:
        parts: Parts = parse(text)
    except TextRefused:
        return []  # Said elsewhere, with how to write it.
    open_ones = [part.name for part in parts if isinstance(part, Variable) and not part.fallback]
    return [name for name in OF_CARD if name in open_ones]


def opening(material: Material) -> dict[str, str]:
    """What a send or a moment begins with when it is written from a material."""
    return {
        "title": material.title,
        "text": told(material.text, card_values(material)),
        "link_url": material.link_url,
        "link_title": title_of(material) if material.link_url else "",
        "link_description": description_of(material),
    }


def description_of(card: Card) -> str:
    """Price and facts of a product in one line, for the line below a link."""
    if not is_product(card) or not card.link_url:
        return ""
    values = card_values(card)
    parts = [values[PRICE]]
    parts += [f"{name} {values[name]}" for name in FACT_OF if values[name]]
    return " · ".join(part for part in parts if part)
