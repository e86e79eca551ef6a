"""Giving cards, using benefits, and what follows when a card ends."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import CharField, Exists, OuterRef, Value
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.customers.models import Customer
from crm.members.models import BenefitUse, MemberBenefit, MemberCard, MemberTier
from crm.shared import faults
from crm.shared.errors import DomainError
from crm.shared.text import clean_text
from crm.shared.times import local_day
from crm.timeline.actions import append_selected_facts
from crm.timeline.models import Fact

AT_ONCE = 1000
LOOK_BACK = timedelta(days=31)

# A fact is named by its card, so that looking again adds nothing.
_FACTS = """
select card.customer_id, told.kind, told.at, null::bigint as agent_id, null::bigint as group_id,
    null::bigint as channel_id, null::bigint as order_id, null::bigint as amount_cents,
    'member' as source, 'card:' || card.id || told.suffix as source_key,
    jsonb_build_object('tier', tier.name) as properties
from crm_membercard card
join crm_membertier tier on tier.id = card.tier_id
cross join lateral (values
    ('member_began', ':began', card.begins_on::timestamp at time zone %(zone)s,
        card.begins_on <= %(today)s::date),
    ('member_ended', ':ended:' || card.ends_on,
        (card.ends_on + 1)::timestamp at time zone %(zone)s, card.ends_on < %(today)s::date)
) told(kind, suffix, at, holds)
where told.holds and card.id = any(%(cards)s::bigint[])
order by source_key
"""


class CardRefused(DomainError):
    """A card cannot be given, or a benefit not used, like that."""

    code = "card_refused"


@transaction.atomic
def give_card(
    *,
    customer: Customer,
    tier: MemberTier,
    begins_on: date,
    ends_on: date | None,
    by: User,
    now: datetime,
) -> MemberCard:
    """A card from a day on; raises CardRefused at its field."""
    if ends_on is not None and ends_on < begins_on:
        raise CardRefused(_("结束日期早于开始日期"), field="ends_on")
    if not tier.is_active:
        raise CardRefused(_("这个等级已停用"), field="tier")
    try:
        with transaction.atomic():
            card = MemberCard.unsafe_all.create(
                customer=customer,
                tier=tier,
                begins_on=begins_on,
                ends_on=ends_on,
                source=MemberCard.Source.PERSON,
                given_by=by,
            )
    except IntegrityError as taken:
        raise CardRefused(_("这位客户已有同一天开始的同级会员卡"), field="begins_on") from taken
    audit(by, "member.give", customer, now=now, tier=tier.code, ends_on=str(ends_on or ""))
    settle_cards([card.pk], now=now)
    return card


@transaction.atomic
def end_card(*, card: MemberCard, ends_on: date, by: User, now: datetime) -> None:
    """Change the last day of a card; raises CardRefused for a day before it began or long past."""
    row = MemberCard.unsafe_all.select_for_update().get(pk=card.pk)
    if ends_on < row.begins_on:
        raise CardRefused(_("结束日期早于开始日期"), field="ends_on")
    if row.is_settled or ends_on < local_day(now) - timedelta(days=1):
        raise CardRefused(_("已经到期的会员卡不再改动，请另开一张"), field="ends_on")
    row.ends_on = ends_on
    row.save(update_fields=["ends_on", "updated_at"])
    audit(by, "member.end", row.customer, now=now, tier=row.tier.code, ends_on=str(ends_on))
    settle_cards([row.pk], now=now)


@transaction.atomic
def use_benefit(
    *, card: MemberCard, benefit: MemberBenefit, note: str, by: User, now: datetime
) -> BenefitUse:
    """Take one of a benefit; raises CardRefused where none is left or the card does not hold."""
    rows = MemberCard.unsafe_all.select_related("customer")
    if faults.guarded("members.quota"):
        rows = rows.select_for_update(of=("self",))
    row = rows.get(pk=card.pk)
    today = local_day(now)
    if benefit.tier_id != row.tier_id:
        raise CardRefused(_("这张会员卡没有这项权益"))
    if row.begins_on > today or (row.ends_on is not None and row.ends_on < today):
        raise CardRefused(_("这张会员卡今天无效"))
    if benefit.quota is not None and row.uses.filter(benefit=benefit).count() >= benefit.quota:
        raise CardRefused(_("“%(name)s”已经用完") % {"name": benefit.name})
    use = row.uses.create(
        benefit=benefit, note=clean_text(note, limit=128), used_by=by, used_at=now
    )
    audit(by, "member.use", row.customer, now=now, benefit=benefit.name)
    return use


def settle_cards(ids: Sequence[int], *, now: datetime) -> None:
    """Write what begins and ends of these cards, and give the cards that ended ones fall back to.

    In the caller's transaction; doing it again changes nothing.
    """
    today = local_day(now)
    ended = MemberCard.unsafe_all.select_for_update(of=("self",)).filter(
        pk__in=ids, is_settled=False, ends_on__lt=today
    )
    fallen = []
    for card in ended.select_related("tier__falls_to").order_by("pk"):
        if card.tier.falls_to is not None:
            fallen.append(
                MemberCard(
                    customer_id=card.customer_id,
                    tier=card.tier.falls_to,
                    begins_on=card.ends_on + timedelta(days=1),
                    source=MemberCard.Source.EXPIRY,
                )
            )
    begun = MemberCard.unsafe_all.bulk_create(fallen, ignore_conflicts=True)
    MemberCard.unsafe_all.filter(pk__in=ids, is_settled=False, ends_on__lt=today).update(
        is_settled=True
    )
    fresh = MemberCard.unsafe_all.filter(
        source=MemberCard.Source.EXPIRY,
        customer_id__in=[card.customer_id for card in begun],
        begins_on__in=[card.begins_on for card in begun],
    )
    wanted = [*ids, *fresh.values_list("pk", flat=True)]
    values = {"cards": wanted, "today": today, "zone": settings.CORP_TIME_ZONE}
    append_selected_facts(_FACTS, values, now=now)


def settle_due(*, now: datetime) -> int:
    """All cards that began or ended and were not settled; returns how many.

    Looks back for what began while nobody was there to look.
    """
    today, done = local_day(now), 0
    number = Cast(OuterRef("pk"), CharField())
    key = Concat(Value("card:"), number, Value(":began"), output_field=CharField())
    told = Fact.unsafe_all.filter(source="member", source_key=key)
    begun = MemberCard.unsafe_all.filter(
        ~Exists(told), begins_on__lte=today, begins_on__gt=today - LOOK_BACK
    ).values_list("pk", flat=True)
    ended = MemberCard.unsafe_all.filter(is_settled=False, ends_on__lt=today)
    batches = [list(begun)]
    batches.append(list(ended.values_list("pk", flat=True)))
    for ids in batches:
        for start in range(0, len(ids), AT_ONCE):
            with transaction.atomic():
                settle_cards(ids[start : start + AT_ONCE], now=now)
            done += len(ids[start : start + AT_ONCE])
    return done
