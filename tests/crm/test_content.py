"""The library: written once, filled in for one person, granted gold, used in time."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.content import actions
from crm.content.actions import MaterialContent, MaterialRefused, use
from crm.content.linting import findings, plain
from crm.content.models import Material, SensitiveWord
from crm.content.variables import (
    KNOWN,
    TextRefused,
    Variable,
    filled,
    has_variables,
    parse,
    values_of,
    written,
)
from crm.fields.actions import set_values
from crm.fields.models import Field
from crm.shared.times import local_day
from tests import factories

Kind, Tier = Material.Kind, Material.Tier
GREETING = "{{name|您}}好，我是{{agent|旅行顾问}}，{{destination|下一站}}最近天气不错。"

# Variables

words = st.text(st.characters(blacklist_characters="{}|", blacklist_categories=("Cs",)), max_size=9)
names = st.sampled_from(sorted(KNOWN))
pieces = st.lists(
    words | st.builds(Variable, names, words.map(lambda text: text.strip() or "您")), max_size=6
)


@given(pieces=pieces, values=st.dictionaries(names, words | st.just("{{name|x}}")))
def test_a_text_is_read_written_and_filled_without_a_hole(pieces, values):
    text = "".join(str(piece) for piece in pieces)
    parts = parse(text, known=list(KNOWN))
    assert written(parts) == text
    expected = "".join(
        values.get(p.name) or p.fallback if isinstance(p, Variable) else p for p in pieces
    )
    assert filled(parts, values) == expected
    assert has_variables(text) == any(isinstance(p, Variable) for p in pieces)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{name}}您好", "备用文字"),
        ("{{name| }}", "备用文字"),
        ("{{phone|x}}", "没有变量"),
        ("{{field.secret|x}}", "没有变量"),
        ("{{name|您", "不是完整的变量"),
        ("您}}好", "不是完整的变量"),
        ("{{ }}", "不是完整的变量"),
    ],
)
def test_what_is_no_variable_is_refused_with_how_to_write_it(db, text, said):
    with pytest.raises(TextRefused, match=said):
        parse(text)


def test_an_agent_reads_the_script_in_the_words_for_this_customer(db):
    agent = factories.make_agent(name="王芳")
    customer = factories.make_friend(agent, name="阿珍", city="上海")
    customer.contacts.update(remark="珍姐")
    factories.make_order(customer, destination="三亚", paid_at=timezone.now())
    Field.objects.create(key="diet", label="忌口", kind="text")
    user = factories.make_user(Role.AGENT)
    set_values(
        customer=customer, values={"diet": "花生"}, source="api", by=user, now=timezone.now()
    )
    values = values_of(customer, agent)
    text = GREETING + "避开{{field.diet|过敏食物}}"
    assert filled(parse(text), values) == "珍姐好，我是王芳，三亚最近天气不错。避开花生"
    stranger = values_of(factories.make_customer(name="路人"), None)
    assert filled(parse(GREETING), stranger) == "路人好，我是旅行顾问，下一站最近天气不错。"


# Limits and words


@given(text=st.text(max_size=60))
def test_whatever_is_typed_gets_words_and_no_crash(text):
    told = plain(text)
    assert all(sign.isalnum() for sign in told)


@pytest.mark.parametrize("text", ["最低价", "最 低 价", "最-低-价", "全网最低价！"])
def test_a_sensitive_word_is_found_behind_blanks_and_signs(db, text):
    SensitiveWord.objects.create(word="最低价")
    told = findings(text=text, link_url="", link_title="")
    assert [finding.level for finding in told] == ["bad"]
    assert "最低价" in told[0].words
    SensitiveWord.objects.update(is_active=False)
    assert findings(text=text, link_url="", link_title="") == []


def test_a_sensitive_word_is_told_where_it_stands(db):
    SensitiveWord.objects.create(word="最低价")
    told = findings(text="早安", link_url="https://x.example", link_title="最低价")
    assert [finding.field for finding in told] == ["link_title"]


def test_a_word_of_signs_alone_is_refused_and_forbids_nothing(db):
    with pytest.raises(ValidationError, match="文字或数字"):
        SensitiveWord(word="！！").full_clean()
    SensitiveWord.objects.create(word="！！")
    assert findings(text="早安", link_url="", link_title="") == []


@pytest.mark.parametrize("text", ["{{姓名|亲爱的}}", "{{name|", "{{ first-name|x }}", "x}}"])
def test_miswritten_variables_are_held_for_variables(text):
    assert has_variables(text)


def test_limits_count_bytes_and_characters(db):
    def levels(text: str) -> list[str]:
        return [one.level for one in findings(text=text, link_url="", link_title="")]

    assert levels("字" * 1333) == []
    assert levels("字" * 1334) == ["bad"]  # 4,002 bytes.
    assert levels("a" * 2001) == ["warn"]
    assert levels("a" * 4001) == ["bad"]
    assert levels(" ") == ["bad"]
    told = findings(text="", link_url="javascript:alert(1)", link_title="x")
    assert [one.field for one in told] == ["link_url"]


# Materials


@pytest.fixture
def operator(client, db):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def made(by, now=None, **given) -> Material:
    values = {"kind": Kind.TEXT, "tier": Tier.COMPANY, "title": "早安", "text": "早安，今天也顺利"}
    return actions.write(
        material=None, content=MaterialContent(**values | given), by=by, now=now or timezone.now()
    )


def test_an_edit_is_a_version_and_a_stale_one_is_refused(operator):
    material = made(operator)
    content = MaterialContent(kind=Kind.TEXT, tier=Tier.COMPANY, title="早安", text="早")
    again = actions.write(
        material=material, content=content, by=operator, now=timezone.now(), version=1
    )
    assert (again.version, [v.text for v in actions.versions_of(again)]) == (
        2, ["早", "早安，今天也顺利"],
    )  # fmt: skip
    with pytest.raises(MaterialRefused, match="刷新"):
        actions.write(
            material=material, content=content, by=operator, now=timezone.now(), version=1
        )


def grant(script: Material, *, by, version: int = 1) -> None:
    actions.grant_gold(material=script, version=version, by=by, now=timezone.now())


def test_gold_takes_another_person_keeps_the_author_and_falls_with_an_edit(db):
    author = factories.make_user(Role.AGENT)
    author.agent = factories.make_agent()
    author.save()
    manager = factories.make_user(Role.MANAGER, departments=[factories.make_department()])
    script = made(author, kind=Kind.SCRIPT, tier=Tier.PERSONAL, text=GREETING)
    colleague = factories.make_user(Role.AGENT)
    assert not Material.objects.for_user(colleague).exists()
    with pytest.raises(MaterialRefused, match="还没有人"):
        grant(script, by=manager)
    actions.propose_gold(material=script, by=author, now=timezone.now())
    with pytest.raises(MaterialRefused, match="另一位"):
        grant(script, by=author)
    grant(script, by=manager)
    script.refresh_from_db()
    assert (script.tier, script.owner, script.approved_by) == (Tier.GOLD, author, manager)
    assert Material.objects.for_user(colleague).get() == script
    content = MaterialContent(kind=Kind.SCRIPT, tier=Tier.PERSONAL, title="问候", text="改了")
    again = actions.write(
        material=script, content=content, by=author, now=timezone.now(), version=1
    )
    assert (again.tier, again.approved_by) == (Tier.PERSONAL, None)


def test_gold_is_for_what_was_read_and_proposed(db):
    author, now = factories.make_user(Role.OPERATOR), timezone.now()
    manager = factories.make_user(Role.MANAGER, departments=[factories.make_department()])
    script = made(author, kind=Kind.SCRIPT, text="您好")

    def rewrite(version: int, **given) -> Material:
        said = {"kind": Kind.SCRIPT, "tier": Tier.COMPANY, "title": "早安", "text": "您好"} | given
        content = MaterialContent(**said)
        return actions.write(material=script, content=content, by=author, now=now, version=version)

    actions.propose_gold(material=script, by=author, now=now)
    with pytest.raises(MaterialRefused, match="只需申请一次"):
        actions.propose_gold(material=script, by=author, now=now)
    rewrite(1, text="改了")
    with pytest.raises(MaterialRefused, match="还没有人"):  # The proposal was for other words.
        grant(script, by=manager, version=2)
    actions.propose_gold(material=script, by=author, now=now)
    with pytest.raises(MaterialRefused, match="刚刚改过"):
        grant(script, by=manager, version=1)
    grant(script, by=manager, version=2)
    for other in ({"title": "别的"}, {"kind": Kind.TEXT}):
        Material.unsafe_all.filter(pk=script.pk).update(tier=Tier.GOLD, approved_by=manager)
        assert rewrite(2, text="改了", **other).tier == Tier.COMPANY
    actions.archive(material=script, by=author, now=now)
    with pytest.raises(MaterialRefused, match="只有话术"):
        actions.propose_gold(material=script, by=author, now=now)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"title": " "}, "title"),
        ({"text": "{{phone|x}}"}, "text"),
        ({"tier": Tier.GOLD}, "tier"),
        ({"tier": Tier.PERSONAL}, "tier"),
        ({"link_url": "https://x.example"}, "link_title"),
    ],
)
def test_what_cannot_stand_is_refused_at_its_field(operator, given, field):
    with pytest.raises(MaterialRefused) as refused:
        made(operator, **given)
    assert refused.value.field == field
    assert not Material.unsafe_all.exists()


def test_what_was_archived_is_out_of_the_list_and_comes_back(client, operator):
    material = made(operator)
    client.post(reverse("crm:content:archive", args=[material.pk]))
    url = reverse("crm:content:list")
    assert not client.get(url).context["rows"]
    assert client.get(url, {"archived": "1"}).context["rows"]
    material.refresh_from_db()
    with pytest.raises(MaterialRefused, match="已归档"):
        use(material=material, subject_type="send", by=operator, now=timezone.now())
    client.post(reverse("crm:content:restore", args=[material.pk]))
    assert client.get(url).context["rows"]


def test_an_agent_writes_personal_scripts_only(client, db):
    agent = factories.make_user(Role.AGENT)
    client.force_login(agent)
    url = reverse("crm:content:new")
    form = {"kind": "script", "tier": "company", "title": "x", "text": "y"}
    assert client.post(url, form).status_code == 422
    assert client.post(url, form | {"tier": "personal"}).status_code == 302
    assert Material.unsafe_all.get().owner == agent


# Use


def test_what_has_expired_by_then_is_refused(operator):
    material = made(operator, expires_on=local_day(timezone.now()))
    use(material=material, subject_type="copy", by=operator, now=timezone.now())
    tomorrow = timezone.now() + timedelta(days=1)
    with pytest.raises(MaterialRefused, match="有效期"):
        use(material=material, subject_type="send", by=operator, now=timezone.now(), at=tomorrow)


def test_the_list_fills_scripts_in_for_a_customer_in_scope_only(client, db):
    agent = factories.make_agent()
    user = factories.make_user(Role.AGENT)
    user.agent = agent
    user.save()
    mine, foreign = factories.make_friend(agent, name="阿珍"), factories.make_customer(name="外人")
    operator = factories.make_user(Role.OPERATOR)
    script = made(operator, kind=Kind.SCRIPT, text=GREETING, title="问候")
    client.force_login(user)
    url = reverse("crm:content:list")
    assert "阿珍好" in client.get(url, {"customer": mine.pk}).content.decode()
    assert "外人" not in client.get(url, {"customer": foreign.pk}).content.decode()
    assert client.post(reverse("crm:content:copied", args=[script.pk])).status_code == 204
    assert client.get(url).context["rows"][0].material.times == 1
    found = client.get(url, {"q": "天气", "kind": "script"})
    assert [row.material for row in found.context["rows"]] == [script]
    assert not client.get(url, {"q": "滑雪"}).context["rows"]
