"""What product cards must tell to whom (必填的产品信息): rules asked before anything goes out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.content.blocks import product_cards
from crm.content.cards import Card, FactsLacking, is_product, names_of, untold
from crm.content.models import FactRule, Material
from crm.customers.models import Customer


@dataclass(frozen=True)
class Gap:
    """A rule that a card does not meet; ``customers`` of those asked about are meant by it."""

    name: str
    code: str
    version: int
    facts: tuple[str, ...]
    customers: int = 0
    card_id: int | None = None
    card: str = ""

    @property
    def words(self) -> str:
        """For the author, whoever will read the card."""
        shown = {"name": self.name, "facts": names_of(self.facts), "card": self.card}
        if self.card:
            return _("发给「%(name)s」前须在产品卡片「%(card)s」里填写：%(facts)s") % shown
        return _("发给「%(name)s」前须填写：%(facts)s") % shown

    @property
    def about_readers(self) -> str:
        """For whoever is about to send it: how many are meant, what lacks, and by which rule."""
        words = ngettext(
            "收到的人里有 %(n)s 位「%(name)s」，缺少%(facts)s（规则 %(code)s，版本 %(version)s）",
            "收到的人里有 %(n)s 位「%(name)s」，缺少%(facts)s（规则 %(code)s，版本 %(version)s）",
            self.customers,
        )
        shown = {"n": self.customers, "name": self.name, "facts": names_of(self.facts)}
        return words % {**shown, "code": self.code, "version": self.version}


def gaps(card: Card, *, at: datetime) -> list[Gap]:
    """Every rule in force at ``at`` that the card does not meet."""
    return [gap for gap, _rule in _unmet(card, at)]


def gaps_for(card: Card, readers: QuerySet[Customer], *, at: datetime) -> list[Gap]:
    """The rules that the card does not meet and that mean somebody among ``readers``."""
    found = []
    for gap, rule in _unmet(card, at):
        if n := readers.filter(rule.customers(at)).count():
            found.append(replace(gap, customers=n))
    return found


def refuse_gaps(material: Material, readers: QuerySet[Customer], *, at: datetime) -> None:
    """Raise FactsLacking with what is lacking, for whom, and where to fill it in."""
    if found := gaps_for(material, readers, at=at):
        parts = _("；").join(gap.about_readers for gap in found)
        shown = {"title": found[0].card or material.title, "parts": parts}
        words = _("产品卡片「%(title)s」还不能用：%(parts)s。请到素材「%(title)s」的修改页补齐")
        if found[0].card:
            words += _("，再保存一次图文")
        raise FactsLacking(words % shown, material_id=found[0].card_id or material.pk)


def _unmet(card: Card, at: datetime) -> Sequence[tuple[Gap, FactRule]]:
    """Rules that a product card does not meet, or one of those in an article."""
    if is_product(card):
        return _lacking(card, at)
    return [
        (replace(gap, card=one.title, card_id=one.pk), rule)
        for one in product_cards(card)
        for gap, rule in _lacking(one, at)
    ]


def _lacking(card: Card, at: datetime) -> Sequence[tuple[Gap, FactRule]]:
    return [
        (Gap(rule.name, rule.code, rule.version, tuple(lacks)), rule)
        for rule in FactRule.in_force(at).values()
        if (lacks := untold(card, rule.facts))
    ]
