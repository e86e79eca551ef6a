"""What stands beside the form while a material is written: sizes, words, variables, facts."""

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.content.actions import MaterialContent
from crm.content.linting import sizes_of
from crm.content.models import FactRule, Material, SensitiveWord
from crm.content.variables import TextRefused, parse, problems
from tests import factories

FORM = {
    "kind": "text", "tier": "company", "title": "早安", "text": "早安", "link_url": "",
    "link_title": "", "reuse_days": "0", "app_id": "", "app_page": "", "route": "", "price": "",
    "drive_minutes": "", "walk_metres": "", "room": "",
}  # fmt: skip


@pytest.fixture
def operator(client, db):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def asked(client, **typed):
    answer = client.post(reverse("crm:content:preview"), FORM | typed)
    assert answer.status_code == 200
    return answer


def words(answer) -> list[str]:
    return [finding.words for finding in answer.context["lint"]]


@pytest.mark.django_db
@given(text=st.text(st.sampled_from("{}|名name. 好\n"), max_size=24))
def test_everything_that_is_wrong_with_variables_is_told_and_nothing_else(text):
    told = problems(text)
    try:
        parse(text)
    except TextRefused as refused:
        assert str(refused) in told
    else:
        assert told == []


@given(text=st.text(max_size=99))
def test_bytes_and_characters_are_counted_as_wecom_counts_them(text):
    card = MaterialContent(kind="text", tier="company", title="x", text=text)
    sizes = [size.used for size in sizes_of(card)]
    assert sizes == [len(text.encode("utf-8", "surrogatepass")), len(text)]


def test_typing_is_answered_with_sizes_words_and_unknown_variables(client, operator):
    SensitiveWord.objects.create(word="最低价")
    answer = asked(client, text="全网最低价\r\n{{phone|x}}，{{name}}")
    told = " ".join(words(answer))
    assert "敏感词「最低价」" in told and "没有变量「phone」" in told and "备用文字" in told
    text = "全网最低价\n{{phone|x}}，{{name}}"
    assert [(size.used, size.most) for size in answer.context["sizes"]] == [
        (len(text.encode()), 4000), (len(text), 2000),
    ]  # fmt: skip
    assert not Material.unsafe_all.exists()
    assert "<html" not in answer.content.decode()


def test_the_facts_that_somebody_must_be_told_are_missing_until_they_are_typed(client, operator):
    FactRule.objects.create(
        code="silver", name="银发", age_from=60, facts=["drive", "room"],
        valid_from=timezone.now(),
    )  # fmt: skip
    card = {
        "kind": "product", "text": "车程{{车程}}", "link_url": "https://x.example/1",
        "link_title": "厦门", "price": "99.90",
    }  # fmt: skip
    told = words(asked(client, **card))
    assert any("车程" in said and "没有填写" in said for said in told)
    assert "发给「银发」前须填写：车程、房间条件" in told
    filled = asked(client, **card, drive_minutes="90", room="电梯房")
    assert words(filled) == []
    assert "车程1 小时 30 分" in filled.content.decode()
    assert "没有发现问题" in filled.content.decode()


def test_half_typed_values_are_no_error(client, operator):
    typed = {"kind": "product", "price": "9.", "drive_minutes": "-", "route": "R-", "title": ""}
    told = words(asked(client, **typed, expires_on="2026-13"))
    assert any("产品卡片须选线路" in said for said in told)
    empty = client.post(reverse("crm:content:preview"), {})
    assert empty.status_code == 200
    assert any("请填写文字或链接" in said for said in words(empty))


def test_a_refused_form_shows_the_same_beside_it_without_a_script(client, operator):
    url = reverse("crm:content:new")
    assert "sizes" not in client.get(url).context
    page = client.post(url, FORM | {"text": "{{phone|x}}{{city}}"})
    assert page.status_code == 422
    assert len(words(page)) == 2
    said = page.content.decode()
    assert f'hx-post="{reverse("crm:content:preview")}"' in said
    assert "没有变量「phone」" in said


def test_an_agent_is_told_the_same_of_a_script(client, db):
    client.force_login(factories.make_user(Role.AGENT))
    told = asked(client, kind="script", tier="personal", text="{{phone|x}}")
    assert any("没有变量" in said for said in words(told))
