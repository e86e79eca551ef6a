"""Membership: the highest card that holds counts, quotas are kept, and an end moves the tier."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.api.batches import take_batch
from crm.imports.files import take_in
from crm.ingest.kinds import ROW_KINDS
from crm.members.actions import CardRefused, end_card, give_card, settle_due, use_benefit
from crm.members.models import BenefitUse, MemberBenefit, MemberCard, MemberTier
from crm.members.queries import TierColumn, membership_of
from crm.shared.times import day_start, local_day
from crm.timeline.models import Fact
from tests.factories import make_agent, make_customer, make_friend, make_user

NOW = timezone.now()
TODAY = local_day(NOW)


def days(n: int):
    return TODAY + timedelta(days=n)


@pytest.fixture
def operator(client, db):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def tiers(db) -> dict[str, MemberTier]:
    plain = MemberTier.objects.create(code="plain", name="普通会员", rank=1)
    gold = MemberTier.objects.create(code="gold", name="金卡", rank=2, falls_to=plain)
    MemberBenefit.objects.create(tier=gold, name="免费接机", quota=2)
    MemberBenefit.objects.create(tier=gold, name="专属客服")
    return {"plain": plain, "gold": gold}


def given_card(tier, by, *, begins: int = 0, ends: int | None = 30, customer=None) -> MemberCard:
    return give_card(
        customer=customer or make_friend(make_agent()), tier=tier, begins_on=days(begins),
        ends_on=None if ends is None else days(ends), by=by, now=NOW,
    )  # fmt: skip


def facts(customer) -> list[tuple[str, str]]:
    rows = Fact.unsafe_all.filter(customer=customer, source="member").order_by("at", "-kind")
    return [(row.kind.code, row.properties["tier"]) for row in rows.select_related("kind")]


def tier_on(customer, n: int) -> str:
    card = membership_of(customer, days(n)).card
    return card.tier.name if card else ""


def test_an_end_moves_the_tier_by_itself(operator, tiers):
    card = given_card(tiers["gold"], operator, ends=2)
    customer = card.customer
    assert [tier_on(customer, n) for n in (-1, 0, 2, 3)] == ["", "金卡", "金卡", ""]
    assert facts(customer) == [("member_began", "金卡")]
    for _again in range(2):
        settle_due(now=NOW + timedelta(days=3))
    assert [tier_on(customer, n) for n in (2, 3, 400)] == ["金卡", "普通会员", "普通会员"]
    assert facts(customer) == [
        ("member_began", "金卡"), ("member_ended", "金卡"), ("member_began", "普通会员"),
    ]  # fmt: skip
    assert MemberCard.unsafe_all.count() == 2


def test_what_began_while_nobody_looked_is_told_later_and_once(operator, tiers):
    card = given_card(tiers["gold"], operator, begins=2, ends=90)
    assert facts(card.customer) == []
    for _again in range(2):
        settle_due(now=NOW + timedelta(days=9))
    assert facts(card.customer) == [("member_began", "金卡")]
    assert Fact.unsafe_all.get(source="member").at == day_start(days(2))


def test_of_several_cards_the_highest_counts(operator, tiers):
    plain = given_card(tiers["plain"], operator, ends=None)
    given_card(tiers["gold"], operator, begins=3, ends=5, customer=plain.customer)
    names = [tier_on(plain.customer, n) for n in (0, 3, 5, 6)]
    assert names == ["普通会员", "金卡", "金卡", "普通会员"]
    column = TierColumn().read(["tier"], [plain.customer_id])
    assert column == {"tier": {plain.customer_id: "普通会员"}}


@settings(deadline=None, max_examples=25)
@given(spans=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from("ab"))))
@pytest.mark.django_db
def test_every_day_has_the_highest_card_that_holds(spans):
    customer = make_customer()
    ranks = {
        code: MemberTier.objects.get_or_create(code=code, name=code, rank=rank)[0]
        for code, rank in (("a", 1), ("b", 2))
    }
    for begins, length, code in dict.fromkeys(spans):
        MemberCard.unsafe_all.get_or_create(
            customer=customer, tier=ranks[code], begins_on=days(begins),
            defaults={"ends_on": days(begins + length), "source": "api"},
        )  # fmt: skip
    cards = list(MemberCard.unsafe_all.filter(customer=customer).select_related("tier"))
    for n in range(-1, 20):
        holding = {c.tier.code for c in cards if c.begins_on <= days(n) <= c.ends_on}
        assert tier_on(customer, n) == max(holding, default="")


def test_a_benefit_is_used_as_often_as_its_card_allows(client, operator, tiers):
    card = given_card(tiers["gold"], operator)
    pickup, service = tiers["gold"].benefits.all()
    use = reverse("crm:members:use", args=[card.pk])
    for _n in range(2):
        assert client.post(use, {"benefit": pickup.pk, "note": "浦东"}).status_code == 302
    refused = client.post(use, {"benefit": pickup.pk})
    assert refused.status_code == 422
    assert "已经用完" in refused.content.decode()
    assert client.post(use, {"benefit": service.pk}).status_code == 302
    assert client.post(use, {"benefit": "x"}).status_code == 422
    assert BenefitUse.objects.count() == 3
    told = client.get(reverse("crm:members:card", args=[card.customer_id])).content.decode()
    assert "还剩 0 / 2" in told and "不限" in told


def test_a_card_that_does_not_hold_gives_nothing(operator, tiers):
    benefit = tiers["gold"].benefits.first()
    said = {"benefit": benefit, "note": "", "by": operator, "now": NOW}
    for begins, ends in ((1, 9), (-9, -1)):
        with pytest.raises(CardRefused, match="今天无效"):
            use_benefit(card=given_card(tiers["gold"], operator, begins=begins, ends=ends), **said)
    with pytest.raises(CardRefused, match="没有这项权益"):
        use_benefit(card=given_card(tiers["plain"], operator), **said)


def _used_at_once(operator, card, benefit) -> int:
    start = threading.Barrier(8)

    def press() -> None:
        start.wait()
        try:
            use_benefit(card=card, benefit=benefit, note="", by=operator, now=NOW)
        except CardRefused:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return BenefitUse.objects.count()


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_cannot_use_more_than_there_is(operator, tiers):
    card = given_card(tiers["gold"], operator)
    assert _used_at_once(operator, card, tiers["gold"].benefits.first()) == 2


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_lock_eight_at_once_use_more(operator, tiers, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "members.quota")
    benefit, used = tiers["gold"].benefits.first(), []
    for _try in range(10):
        card = given_card(tiers["gold"], operator)
        BenefitUse.objects.all().delete()
        used.append(_used_at_once(operator, card, benefit))
        if max(used) > 2:
            break
    assert max(used) > 2


def test_bad_days_and_old_cards_are_refused_in_words(client, operator, tiers):
    customer = make_friend(make_agent())
    url = reverse("crm:members:give", args=[customer.pk])
    form = {"tier": tiers["gold"].pk, "begins_on": str(TODAY), "ends_on": str(days(-1))}
    assert "早于开始日期" in client.post(url, form).content.decode()
    assert client.post(url, form | {"ends_on": ""}).status_code == 302
    assert "同一天开始" in client.post(url, form | {"ends_on": ""}).content.decode()
    old = given_card(tiers["plain"], operator, begins=-9, ends=-3)
    with pytest.raises(CardRefused, match="已经到期"):
        end_card(card=old, ends_on=days(5), by=operator, now=NOW)
    end = reverse("crm:members:end", args=[MemberCard.unsafe_all.get(customer=customer).pk])
    assert client.post(end, {"ends_on": "x"}).status_code == 422
    assert client.post(end, {"ends_on": str(days(9))}).status_code == 302


def test_a_file_and_the_interface_bring_cards(tmp_path, operator, tiers):
    customer = make_customer(customer_no="C1")
    path = tmp_path / "members.csv"
    path.write_text(f"会员编号,会员等级,开卡日期,到期日\nC1,金卡,{days(-9)},{days(9)}\n")
    outcome = take_in(path, "members", now=NOW).outcome
    assert outcome.counts.new == 1, list(outcome.problems)
    assert take_in(path, "members", now=NOW).outcome.counts.same == 1
    assert tier_on(customer, 0) == "金卡"
    item = {
        "customer_id": "C1",
        "tier": "gold",
        "begins_on": str(days(-9)),
        "ends_on": str(days(1)),
    }
    kind = ROW_KINDS["members"]
    status, body = take_batch(kind, {"items": [item]}, now=NOW, by=operator)
    assert (status, body["changed"]) == (200, 1)
    assert (tier_on(customer, 1), tier_on(customer, 2)) == ("金卡", "")
    bad = [
        item | {"customer_id": "C9"}, item | {"tier": "black"},
        item | {"begins_on": str(days(3))}, item, item,
    ]  # fmt: skip
    status, body = take_batch(kind, {"items": bad}, now=NOW, by=operator)
    assert status == 422
    told = str(body)
    assert all(
        code in told for code in ("没有这位客户", "没有这个会员等级", "早于开始日期", "重复")
    )
    assert MemberCard.unsafe_all.count() == 1
