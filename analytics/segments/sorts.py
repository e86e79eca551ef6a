"""Attributes that a room works out itself: persona, tier, value layer, risk.

Nobody writes them on the customer's row, so that the index does not hold them: a condition is a
query of whom it holds for, asked anew each time. Rooms above this one add theirs (``add_sort``).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from analytics.segments.fields import FIELDS, Field
from crm.members.models import MemberTier
from crm.personas.scoring import Persona
from crm.risk.models import CustomerRisk

Query = tuple[str, tuple[Any, ...]]

_PERSONA = """select p.customer_id from crm_customerpersona p
    where coalesce(nullif(p.persona, ''), 'none') = any(%s::text[])"""
_NO_PERSONA = """ union all select c.id from public.crm_customer c
    where not exists (select from crm_customerpersona p where p.customer_id = c.id)"""
# Nobody but friends has a risk.
_RISK = "select r.customer_id from crm_customerrisk r where r.band = any(%s::text[])"
# Of several cards that hold on a day the highest counts, as on the profile.
_TIER = """select held.customer_id from (
        select distinct on (card.customer_id) card.customer_id, tier.code
        from crm_membercard card join crm_membertier tier on tier.id = card.tier_id
        where card.begins_on <= %s and (card.ends_on is null or card.ends_on >= %s)
        order by card.customer_id, tier.rank desc, card.begins_on desc, card.id desc
    ) held where held.code = any(%s::text[])"""
_NAMED = re.compile(r"%\((\w+)\)s")
NONE = "none"


def add_sort(
    name: str,
    label: str | Promise,
    *,
    people: Callable[[Sequence[str], date], Query],
    choices: tuple[tuple[str, str | Promise], ...] = (),
    offered: Callable[[], list[tuple[str, str]]] | None = None,
    past: str = "days",
) -> None:
    """Let segments ask for what a room works out.

    ``people`` gives a query of customer ids for some values on a day; tables of the record that the
    past tells otherwise are named with their schema in it. ``past``: ``days`` where any day can be
    asked by what is known today, ``now`` where only today can.
    """
    plain = Field(name, label, "sort", "", choices=choices)
    FIELDS[name] = replace(plain, people=people, offered=offered, past=past)


def positional(sql: str, values: dict[str, Any]) -> Query:
    """A query with named values as one with values in their places."""
    return _NAMED.sub("%s", sql), tuple(values[name] for name in _NAMED.findall(sql))


def _personas(values: Sequence[str], _today: date) -> Query:
    sql = _PERSONA + (_NO_PERSONA if NONE in values else "")
    return sql, (list(values),)


def _risks(values: Sequence[str], _today: date) -> Query:
    return _RISK, (list(values),)


def _tiers(values: Sequence[str], today: date) -> Query:
    return _TIER, (today, today, list(values))


def _offered_tiers() -> list[tuple[str, str]]:
    return list(MemberTier.objects.values_list("code", "name"))


add_sort(
    "persona",
    _("画像类型"),
    people=_personas,
    choices=(*Persona.choices, (NONE, _("都不是"))),
    past="now",
)
add_sort("risk", _("删除风险"), people=_risks, choices=tuple(CustomerRisk.Band.choices), past="now")
add_sort("tier", _("会员等级"), people=_tiers, offered=_offered_tiers)
