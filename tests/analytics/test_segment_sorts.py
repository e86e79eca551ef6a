"""Segments by persona, tier and value layer: the people of the rooms that work these out."""

import random
from datetime import date, timedelta

import pytest
from django.urls import reverse

from analytics.rfm.layers import LAYERS, RfmQuestion
from analytics.rfm.layers import people as people_of_layer
from analytics.segments.index.building import refresh
from analytics.segments.over_time import end_of, over_time
from analytics.segments.parsing import RuleRefused, rule_from
from analytics.segments.past import Instant
from analytics.segments.queries import answer, answer_then, matching, setting_for
from crm.agents.access import Role
from crm.customers.models import Customer
from crm.members.models import MemberCard, MemberTier
from crm.personas.keeping import keep_personas
from crm.personas.models import CustomerPersona
from crm.risk.keeping import keep_risks
from crm.risk.models import CustomerRisk
from tests import factories
from tests.analytics.segment_world import NOW, TODAY

pytestmark = pytest.mark.django_db
PERSONAS = ("sharer", "quality", "shopper", "fan", "none")
TIERS = ("plain", "gold", "black")


@pytest.fixture
def people() -> list[Customer]:
    """Sixty customers with orders, likes and cards of some days, drawn with a seed."""
    dice = random.Random(7)
    tiers = [
        MemberTier.objects.create(code=code, name=code, rank=n) for n, code in enumerate(TIERS)
    ]
    found = []
    for _n in range(60):
        customer = factories.make_customer(known_since=NOW - timedelta(days=600))
        found.append(customer)
        for _order in range(dice.choice((0, 0, 1, 2, 4))):
            paid_at = NOW - timedelta(days=dice.randrange(500))
            cents = dice.choice((20_000, 90_000, 700_000, 2_500_000))
            factories.make_order(customer, paid_at=paid_at, amount_cents=cents)
        for _like in range(dice.choice((0, 0, 8))):
            factories.make_fact(customer, "moment_liked", NOW - timedelta(hours=dice.randrange(99)))
        for tier in dice.sample(tiers, dice.choice((0, 1, 1, 2))):
            begins = TODAY + timedelta(days=dice.randrange(-60, 20))
            ends = dice.choice((None, begins + timedelta(days=dice.randrange(60))))
            MemberCard.unsafe_all.create(
                customer=customer, tier=tier, begins_on=begins, ends_on=ends, source="person"
            )
    keep_personas(now=NOW)
    return found


def in_sql(rule: dict) -> list[int]:
    tree = rule_from(rule)
    found = matching(tree, setting_for(tree, now=NOW), None)
    return sorted(found.values_list("pk", flat=True))


def in_bitmaps(rule: dict) -> list[int]:
    found = answer(rule_from(rule), user=None, now=NOW)
    assert found.engine == "bitmaps"
    return list(found.bits)


def both(field: str, *values: str) -> list[int]:
    """The people of a condition; both ways of answering must say the same, also of the rest."""
    rule = {"field": field, "in": list(values)}
    found, rest = in_sql({"all": [rule]}), in_sql({"none": [rule]})
    assert in_bitmaps({"all": [rule]}) == found
    assert in_bitmaps({"none": [rule]}) == rest
    assert sorted(found + rest) == sorted(Customer.unsafe_all.values_list("pk", flat=True))
    return found


def tier_of(customer: Customer, day: date) -> str | None:
    holding = [
        card
        for card in MemberCard.unsafe_all.filter(customer=customer).select_related("tier")
        if card.begins_on <= day and (card.ends_on is None or card.ends_on >= day)
    ]
    return max(holding, key=lambda card: card.tier.rank).tier.code if holding else None


def test_everybody_is_in_one_layer_and_it_is_that_of_the_grid(people):
    refresh(now=NOW)
    manager = factories.make_user(Role.MANAGER, departments=[factories.make_department()])
    question = RfmQuestion(TODAY, cut="mean")
    sizes = []
    for layer in LAYERS:
        found = both("layer", layer)
        assert found == people_of_layer(question, user=manager, layer=layer), layer
        sizes.append(len(found))
    assert sum(sizes) == len(people)
    assert sum(size > 0 for size in sizes) > 3
    assert both("layer", *LAYERS) == sorted(who.pk for who in people)


def test_the_persona_is_that_of_the_profile(people):
    refresh(now=NOW)
    kept = dict(CustomerPersona.unsafe_all.values_list("customer_id", "persona"))
    for persona in PERSONAS:
        meant = [who.pk for who in people if (kept.get(who.pk) or "none") == persona]
        assert both("persona", persona) == sorted(meant), persona
    assert {value for value in kept.values() if value} >= {"quality", "fan"}


def test_the_risk_is_that_of_the_profile(people):
    agent = factories.make_agent()
    for n, who in enumerate(people[:6]):
        factories.make_contact(who, agent, added_at=NOW - timedelta(days=200 - 39 * n))
        if n % 2:
            factories.make_fact(who, "friend_deleted_by_customer", NOW - timedelta(days=210))
    refresh(now=NOW)
    keep_risks(now=NOW)
    kept = dict(CustomerRisk.unsafe_all.values_list("customer_id", "band"))
    for band in CustomerRisk.Band.values:
        assert both("risk", band) == sorted(pk for pk, one in kept.items() if one == band), band
    assert both("risk", *CustomerRisk.Band.values) == sorted(kept)
    assert len(set(kept.values())) > 1


def test_the_tier_is_the_highest_that_holds_today(people):
    refresh(now=NOW)
    for code in TIERS:
        meant = sorted(who.pk for who in people if tier_of(who, TODAY) == code)
        assert both("tier", code) == meant, code
        assert meant, code


def test_tiers_and_layers_can_be_asked_of_a_past_day(people):
    day = TODAY - timedelta(days=25)
    for code in TIERS:
        rule = rule_from({"all": [{"field": "tier", "in": [code]}]})
        found = answer_then(rule, user=None, instant=end_of(day, NOW))
        assert list(found.bits) == sorted(who.pk for who in people if tier_of(who, day) == code)
    manager = factories.make_user(Role.MANAGER, departments=[factories.make_department()])
    for layer in LAYERS:
        rule = rule_from({"all": [{"field": "layer", "in": [layer]}]})
        found = answer_then(rule, user=None, instant=end_of(day, NOW))
        question = RfmQuestion(day, cut="mean")
        known = set(people_of_layer(question, user=manager, layer=layer))
        assert set(found.bits) == known & {who.pk for who in people}, layer


def test_what_nobody_knows_of_the_past_is_refused_in_words(people):
    persona = rule_from({"all": [{"field": "persona", "in": ["fan"]}]})
    with pytest.raises(RuleRefused, match="画像类型"):
        over_time(persona, TODAY - timedelta(days=9), TODAY, user=None, now=NOW)
    for field, value in (("persona", "fan"), ("layer", "111"), ("tier", "gold")):
        rule = rule_from({"any": [{"none": [{"field": field, "in": [value]}]}]})
        with pytest.raises(RuleRefused):
            answer_then(rule, user=None, instant=Instant(NOW, as_known=True))


def test_the_builder_offers_them_and_saves_what_was_chosen(client, people):
    client.force_login(factories.make_user(Role.OPERATOR))
    form = {
        "name": "金卡的活跃分享人",
        "n.type": "group",
        "n.how": "all",
        "n.size": "2",
        "n.0.type": "field",
        "n.0.field": "tier",
        "n.0.in": ["gold"],
        "n.1.type": "field",
        "n.1.field": "layer",
        "n.1.in": ["111", "none"],
    }
    page = client.post(reverse("analytics:segments:add"), form | {"do": "add:n", "n.new": "x"})
    html = page.content.decode()
    assert 'value="gold" checked' in html and 'value="black"' in html
    assert 'value="111" checked' in html
    saved = client.post(reverse("analytics:segments:add"), form)
    assert saved.status_code == 302
    shown = client.get(saved["Location"]).content.decode()
    assert "会员等级：gold" in shown and "价值层：重要价值、窗口内未付款" in shown


def test_a_tier_that_is_gone_matches_nobody_and_breaks_nothing(client, people):
    refresh(now=NOW)
    assert both("tier", "platinum") == []
