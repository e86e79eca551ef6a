"""Product cards: what they must tell to whom, and how their words fill themselves in."""

from datetime import date, timedelta
from itertools import chain, combinations

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from crm.agents.access import Role
from crm.audiences.actions import freeze_audience
from crm.catalog.models import Route
from crm.content import actions as content
from crm.content.actions import MaterialContent, MaterialRefused
from crm.content.cards import FactsLacking, opening
from crm.content.models import CardFact, FactRule, Material, MaterialUse
from crm.content.requirements import gaps_for
from crm.customers.models import Customer
from crm.moments import actions as moments
from crm.moments.content import MomentContent
from crm.outreach import actions as sends
from crm.outreach.content import SendContent
from crm.outreach.models import MassSend
from crm.shared.times import local_day
from tests import factories

pytestmark = pytest.mark.django_db
FACTS = {"drive_minutes": 150, "walk_metres": 800, "room": "电梯房"}
TOLD = "车程{{车程}}，步行{{步行}}，{{房间}}"


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def approver():
    return factories.make_user(Role.MANAGER, departments=[factories.make_department()])


@pytest.fixture
def agent():
    return factories.make_agent()


@pytest.fixture
def tag():
    return factories.make_tag(name="银发")


@pytest.fixture
def elder(agent, tag):
    customer = factories.make_friend(agent, tag_ids=[tag.pk])
    customer.contacts.get().tags.set([tag])
    return customer


@pytest.fixture
def youth(agent):
    return factories.make_friend(agent)


def rule(tag, facts=("drive", "walk", "room"), **given) -> FactRule:
    said = {"code": "silver", "name": "银发", "tag": tag, "facts": list(facts)}
    begun = {"valid_from": timezone.now() - timedelta(days=1)}
    return FactRule.objects.create(**said | begun | given)


def route() -> Route:
    return Route.objects.create(
        route_no="R-1", title="厦门五日", destination="厦门", days=5, price_cents=388_000
    )


def card(by, **given) -> Material:
    values = {
        "kind": "product", "tier": "company", "title": "厦门卡片", "text": "错峰去厦门",
        "link_url": "https://shop.example/p/1", "link_title": "厦门五日", "price_cents": 388_000,
    }  # fmt: skip
    written = MaterialContent(**values | given)
    return content.write(material=None, content=written, by=by, now=timezone.now())


def changed(material: Material, by, **given) -> Material:
    """A new version in which something else stands."""
    names = MaterialContent.__dataclass_fields__.keys() - {"blocks"}  # A card has none.
    values = {name: getattr(material, name) for name in names} | given
    return content.write(
        material=material, content=MaterialContent(**values), by=by, now=timezone.now(),
        version=material.version,
    )  # fmt: skip


def drafted(by, material, people, **given) -> MassSend:
    now = timezone.now()
    audience = freeze_audience(
        name="x", customer_ids=[one.pk for one in people], by=by, now=now, source="test"
    )
    said = {"title": "x", "send_at": now + timedelta(days=1), "text": material.text}
    said |= {"audience_id": audience.pk, "material_id": material.pk}
    return sends.draft_send(content=SendContent(**said | given), by=by, now=now)


def submitted(send: MassSend, by) -> MassSend:
    return sends.submit_send(send_id=send.pk, version=send.version, by=by, now=timezone.now())


def approved(send: MassSend, by) -> MassSend:
    return sends.approve_send(
        send_id=send.pk, seen_hash=send.content_hash, by=by, now=timezone.now()
    )


# What must be told to whom


def test_a_card_is_refused_exactly_where_a_mandatory_fact_lacks_for_somebody(
    operator, tag, elder, youth
):
    wanted = rule(tag)
    everybody = Customer.unsafe_all.filter(pk__in=[elder.pk, youth.pk])
    alone = Customer.unsafe_all.filter(pk=youth.pk)
    fields = {"drive": "drive_minutes", "walk": "walk_metres", "room": "room"}
    subsets = list(chain.from_iterable(combinations(CardFact.values, n) for n in range(4)))
    for told in subsets:
        said = {fields[fact]: FACTS[fields[fact]] for fact in told}
        material = Material(kind="product", title="x", **said)
        for mandatory in subsets:
            FactRule.objects.filter(pk=wanted.pk).update(facts=list(mandatory))
            lacks = {fact for gap in gaps_for(material, everybody, at=timezone.now())
                     for fact in gap.facts}  # fmt: skip
            assert lacks == set(mandatory) - set(told)
            assert gaps_for(material, alone, at=timezone.now()) == []


def test_nought_metres_are_a_fact_and_blanks_are_no_room(tag, elder):
    rule(tag)
    material = Material(kind="product", title="x", drive_minutes=0, walk_metres=0, room="  ")
    [gap] = gaps_for(material, Customer.unsafe_all.all(), at=timezone.now())
    assert (gap.facts, gap.customers) == (("room",), 1)


@pytest.mark.parametrize(
    ("today", "born", "is_meant"),
    [
        (date(2026, 11, 27), date(1966, 11, 27), True),
        (date(2026, 11, 27), date(1966, 11, 28), False),
        (date(2028, 2, 29), date(1968, 2, 29), True),
        (date(2024, 2, 29), date(1959, 2, 28), True),  # 65 years ago there was no 29th.
        (date(2026, 11, 27), None, False),
    ],
)
def test_age_is_counted_to_the_day(today, born, is_meant):
    factories.make_customer(birthday=born)
    years = 65 if today.year == 2024 else 60
    found = FactRule(code="x", age_from=years, facts=["room"])
    at = timezone.make_aware(timezone.datetime(today.year, today.month, today.day, 12))
    assert Customer.unsafe_all.filter(found.customers(at)).exists() is is_meant


def test_a_rule_that_means_nobody_or_asks_for_nothing_is_refused(tag):
    with pytest.raises(ValidationError, match="年龄"):
        FactRule(code="x", name="x", facts=["room"], valid_from=timezone.now()).full_clean()
    with pytest.raises(ValidationError, match="至少一项"):
        FactRule(code="x", name="x", tag=tag, valid_from=timezone.now()).full_clean()


def test_the_admin_keeps_a_rule_and_writes_it_down(client, tag):
    client.force_login(factories.make_user(Role.ADMIN))
    at = timezone.localtime() + timedelta(days=1)
    form = {
        "code": "silver", "name": "银发", "tag": tag.pk, "age_from": "60",
        "facts": ["drive", "room"], "valid_from_0": at.strftime("%Y-%m-%d"),
        "valid_from_1": "08:00", "note": "",
    }  # fmt: skip
    answer = client.post(reverse("admin:crm_factrule_add"), form)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    kept = FactRule.objects.get()
    assert (kept.facts, kept.tag, kept.age_from) == (["drive", "room"], tag, 60)
    page = client.get(reverse("admin:crm_factrule_changelist"))
    assert "银发" in page.content.decode()


# A send


def test_a_send_is_refused_at_save_submit_and_approve_until_the_facts_are_there(
    operator, approver, tag, elder, youth
):
    material = card(operator, walk_metres=800)
    early = drafted(operator, material, [elder, youth])  # Before there is a rule.
    rule(tag)
    with pytest.raises(FactsLacking) as refused:
        drafted(operator, material, [elder, youth])
    told = str(refused.value)
    assert "车程" in told and "房间条件" in told and "步行" not in told
    assert "1 位「银发」" in told and "厦门卡片" in told
    assert refused.value.material_id == material.pk
    assert not MassSend.unsafe_all.exclude(pk=early.pk).exists()
    with pytest.raises(FactsLacking):
        submitted(early, operator)
    early.refresh_from_db()
    assert early.state == MassSend.State.DRAFT
    material = changed(material, operator, **FACTS)
    waiting = submitted(early, operator)
    changed(material, operator, room="")
    with pytest.raises(FactsLacking, match="缺少房间条件"):
        approved(waiting, approver)
    waiting.refresh_from_db()
    assert waiting.state == MassSend.State.WAITING
    material.refresh_from_db()
    changed(material, operator, room="电梯房")
    assert approved(waiting, approver).state == MassSend.State.APPROVED


def test_whoever_no_rule_means_gets_the_card_as_it_is(operator, tag, youth):
    rule(tag)
    material = card(operator)
    assert submitted(drafted(operator, material, [youth]), operator).planned == 1


def test_a_rule_holds_from_its_date_on_at_the_time_of_sending(operator, tag, elder):
    now = timezone.now()
    rule(tag, valid_from=now + timedelta(days=3))
    material = card(operator)
    send = drafted(operator, material, [elder])
    with pytest.raises(FactsLacking):
        drafted(operator, material, [elder], send_at=now + timedelta(days=4))
    with pytest.raises(FactsLacking):
        sends.move_send(
            send_id=send.pk, version=send.version, send_at=now + timedelta(days=4), by=operator,
            now=now,
        )  # fmt: skip


def test_a_post_in_groups_asks_for_the_people_who_are_in_them(operator, agent, tag, elder, youth):
    rule(tag)
    material = card(operator)
    group = factories.make_group(agent)
    factories.make_membership(group, youth)
    past = factories.make_membership(group, elder)
    said = {"target": "groups", "group_ids": (group.pk,), "audience_id": None}
    with pytest.raises(FactsLacking):
        drafted(operator, material, [youth], **said)
    past.left_at = timezone.now()
    past.save()
    assert drafted(operator, material, [youth], **said).pk


def test_the_page_says_what_lacks_and_leads_to_where_it_is_filled_in(client, operator, tag, elder):
    material = card(operator)
    now = timezone.now()
    people = freeze_audience(name="x", customer_ids=[elder.pk], by=operator, now=now, source="test")
    rule(tag)
    form = {
        "title": "x", "target": "customers", "audience": people.pk, "text": "厦门",
        "content_kind": "promotion", "control_percent": "0", "then": "draft",
        "send_at": (timezone.localtime() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"),
        "material": material.pk,
    }  # fmt: skip
    page = client.post(reverse("crm:outreach:new"), form)
    assert page.status_code == 422
    said = page.content.decode()
    assert "缺少车程、步行距离、房间条件" in said
    assert reverse("crm:content:edit", args=[material.pk]) in said
    told = client.get(reverse("crm:content:detail", args=[material.pk])).content.decode()
    assert "发给「银发」前须填写：车程、步行距离、房间条件" in told
    FactRule.objects.update(is_off=True)
    assert client.post(reverse("crm:outreach:new"), form).status_code == 302
    send = MassSend.unsafe_all.get()
    FactRule.objects.update(is_off=False)
    detail = client.post(reverse("crm:outreach:submit", args=[send.pk]), {"version": send.version})
    assert detail.status_code == 422
    assert reverse("crm:content:edit", args=[material.pk]) in detail.content.decode()


def test_the_dry_run_says_what_lacks_before_anything_is_saved(
    client, operator, agent, tag, elder, youth
):
    rule(tag)
    material, now = card(operator), timezone.now()
    group = factories.make_group(agent)
    factories.make_membership(group, elder)
    people = freeze_audience(
        name="x", customer_ids=[elder.pk, youth.pk], by=operator, now=now, source="test"
    )
    for whom in (
        {"target": "customers", "audience": people.pk}, {"target": "groups", "groups": group.pk},
    ):  # fmt: skip
        asked = whom | {"content_kind": "promotion", "material": material.pk}
        page = client.post(reverse("crm:outreach:plan"), asked)
        [gap] = page.context["gaps"]
        assert (gap.customers, gap.facts) == (1, ("drive", "walk", "room"))
        assert "1 位「银发」" in page.content.decode()
    changed(material, operator, **FACTS)
    assert client.post(reverse("crm:outreach:plan"), asked).context["gaps"] == []


# A moment


def moment_of(material, tag_ids=(), **given) -> MomentContent:
    at = timezone.localtime().replace(tzinfo=None) + timedelta(days=1)
    said = {"title": "x", "publish_wall": at, "zone": "Asia/Shanghai", "text": material.text}
    return MomentContent(**said | {"material_id": material.pk, "tag_ids": tuple(tag_ids)} | given)


def test_a_moment_is_refused_at_save_submit_and_approve(operator, approver, tag, elder, youth):
    material, now = card(operator), timezone.now()
    moment = moments.draft_moment(content=moment_of(material, everyone=True), by=operator, now=now)
    rule(tag)
    for said in ({"everyone": True}, {"tag_ids": [tag.pk]}):
        with pytest.raises(FactsLacking, match="车程"):
            moments.draft_moment(content=moment_of(material, **said), by=operator, now=now)
    young = factories.make_tag(name="青年")
    youth.contacts.get().tags.set([young])
    assert moments.draft_moment(content=moment_of(material, [young.pk]), by=operator, now=now).pk

    def submit():
        return moments.submit_moment(
            moment_id=moment.pk, version=moment.version, by=operator, now=now
        )

    def approve(seen):
        return moments.approve_moment(
            moment_id=moment.pk, seen_hash=seen.content_hash, by=approver, now=now
        )

    with pytest.raises(FactsLacking):
        submit()
    material = changed(material, operator, **FACTS)
    waiting = submit()
    changed(material, operator, drive_minutes=None)
    with pytest.raises(FactsLacking, match="缺少车程"):
        approve(waiting)
    material.refresh_from_db()
    changed(material, operator, **FACTS)
    assert approve(waiting).state == "approved"


# Words that fill themselves in


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_variables_fill_themselves_in_the_company_language(operator, youth, language):
    with override(language):
        material = card(operator, text=TOLD, **FACTS)
        send = drafted(operator, material, [youth], text=material.text)
        assert send.text == "车程2 小时 30 分，步行800 米，电梯房"
        assert opening(material)["text"] == send.text
        assert opening(material)["link_description"].startswith("¥3,880.00 · 车程 2 小时 30 分")
        moment = moments.draft_moment(content=moment_of(material), by=operator, now=timezone.now())
    assert moment.text == send.text


def test_a_variable_without_its_fact_takes_other_words_or_is_refused(operator, youth):
    material = card(operator, text="错峰", drive_minutes=60)
    send = drafted(operator, material, [youth], text="{{步行|少走路}}，{{车程|不远}}")
    assert send.text == "少走路，1 小时"
    with pytest.raises(FactsLacking, match="步行") as refused:
        drafted(operator, material, [youth], text="要走{{步行}}")
    assert refused.value.field == "text"
    with pytest.raises(MaterialRefused, match="房间") as refused:
        card(operator, text="住{{房间}}")
    assert refused.value.field == "text"


def test_the_form_of_a_send_opens_with_the_words_filled_in(client, operator):
    material = card(operator, text=TOLD, route=route(), link_title="", price_cents=None, **FACTS)
    page = client.get(reverse("crm:outreach:new"), {"material": material.pk})
    initial = page.context["form"].initial
    assert initial["text"] == "车程2 小时 30 分，步行800 米，电梯房"
    assert (initial["link_title"], initial["link_url"]) == ("厦门五日", material.link_url)
    assert "¥3,880.00" in initial["link_description"]
    detail = client.get(reverse("crm:content:detail", args=[material.pk]))
    assert detail.context["may_send"]
    assert "2 小时 30 分" in detail.content.decode()


def test_nobody_copies_a_card_for_a_customer_to_whom_it_may_not_be_offered(
    client, agent, tag, elder, youth
):
    author = factories.make_user(Role.OPERATOR)
    material = card(author, text="车程{{车程|不远}}")
    rule(tag)
    user = factories.make_user(Role.AGENT)
    user.agent = agent
    user.save()
    client.force_login(user)
    copied = reverse("crm:content:copied", args=[material.pk])
    refused = client.post(f"{copied}?customer={elder.pk}")
    assert refused.status_code == 422
    assert "车程" in refused.content.decode()
    assert not MaterialUse.objects.exists()
    assert client.post(f"{copied}?customer={youth.pk}").status_code == 204
    rows = client.get(reverse("crm:content:list"), {"customer": elder.pk}).context["rows"]
    assert [gap.facts for gap in rows[0].gaps] == [("drive", "walk", "room")]


# The card itself


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"link_title": ""}, "link_title"),
        ({"price_cents": None}, "price"),
        ({"link_url": ""}, "link_url"),
        ({"kind": "text", "price_cents": None, "room": "电梯房"}, "room"),
        ({"kind": "text", "price_cents": None, "text": "车程{{车程|不远}}"}, "text"),
        ({"price_cents": -1}, "price"),
    ],
)
def test_a_card_that_cannot_stand_is_refused_at_its_field(operator, given, field):
    with pytest.raises(MaterialRefused) as refused:
        card(operator, **given)
    assert refused.value.field == field


def test_a_card_is_written_with_the_form_and_every_version_keeps_its_facts(client, operator):
    line = route()
    form = {
        "kind": "product", "tier": "company", "title": "厦门", "text": TOLD, "route": "R-9",
        "price": "", "drive_minutes": "150", "walk_metres": "800", "room": "电梯房",
        "reuse_days": "0", "link_url": "", "link_title": "",
    }  # fmt: skip
    url = reverse("crm:content:new")
    unknown = client.post(url, form)
    assert unknown.status_code == 422
    assert "没有这个线路号" in unknown.content.decode()
    assert client.post(url, form | {"route": "R-1"}).status_code == 302
    material = Material.unsafe_all.get()
    assert (material.route, material.drive_minutes) == (line, 150)
    edit = reverse("crm:content:edit", args=[material.pk])
    assert client.get(edit).context["form"].initial["route"] == "R-1"
    later = form | {"route": "R-1", "price": "3999.50", "drive_minutes": "90", "version": "1"}
    assert client.post(edit, later).status_code == 302
    material.refresh_from_db()
    assert material.price_cents == 399_950
    assert [(one.drive_minutes, one.route) for one in material.versions.all()] == [
        (90, line), (150, line),
    ]  # fmt: skip
    assert local_day(material.updated_at) == local_day(timezone.now())
