"""Memberships as pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext_lazy

from crm.customers.columns import Column
from crm.customers.models import Customer
from crm.members.models import MemberBenefit, MemberCard
from crm.shared.times import local_day

# The highest card of each that holds on the day.
_TIERS = """
select distinct on (card.customer_id) card.customer_id, tier.name
from crm_membercard card join crm_membertier tier on tier.id = card.tier_id
where card.customer_id = any(%(ids)s::bigint[])
    and card.begins_on <= %(day)s and (card.ends_on is null or card.ends_on >= %(day)s)
order by card.customer_id, tier.rank desc, card.begins_on desc, card.id desc
"""


@dataclass(frozen=True)
class Left:
    """A benefit of a card: how often it was used; ``left`` None where it is without limit."""

    benefit: MemberBenefit
    used: int
    left: int | None


@dataclass(frozen=True)
class Membership:
    """The card that counts on a day, its benefits, and the others."""

    card: MemberCard | None
    benefits: list[Left]
    others: list[MemberCard]


def membership_of(customer: Customer, day: date) -> Membership:
    """What the customer holds on a day."""
    rows = MemberCard.unsafe_all.filter(customer=customer).select_related("tier")
    card = rows.holding(day).first()
    others = [row for row in rows if card is None or row.pk != card.pk]
    if card is None:
        return Membership(None, [], others)
    used = dict(card.uses.values_list("benefit").annotate(n=Count("pk")).order_by())
    benefits = [
        Left(
            benefit,
            used.get(benefit.pk, 0),
            None if benefit.quota is None else max(benefit.quota - used.get(benefit.pk, 0), 0),
        )
        for benefit in card.tier.benefits.all()
    ]
    return Membership(card, benefits, others)


class TierColumn:
    """The tier as a column of the customer list."""

    def columns(self) -> list[Column]:
        """One."""
        return [Column("tier", gettext_lazy("会员等级"))]

    def read(self, codes: Sequence[str], ids: Sequence[int]) -> dict[str, dict[int, str]]:
        """The names of the tiers that hold today."""
        values = {"ids": list(ids), "day": local_day(timezone.now())}
        with connection.cursor() as cursor:
            cursor.execute(_TIERS, values)
            named = dict(cursor.fetchall())
        return dict.fromkeys(codes, named)
