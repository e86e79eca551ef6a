"""Articles in the library: written block by block, kept by version, with cards that tell facts."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Permission, Role
from crm.content import actions as content
from crm.content.actions import MaterialContent, MaterialRefused
from crm.content.blocks import Block, blocks_of, written
from crm.content.cards import FactsLacking
from crm.content.models import ArticleBlock, FactRule, Material, SensitiveWord
from crm.content.requirements import gaps
from tests import factories
from tests.crm.test_api import make_token

pytestmark = pytest.mark.django_db
EMPTY = {
    "topic": "", "text": "", "link_url": "", "app_id": "", "app_page": "", "route": "", "price": "",
    "drive_minutes": "", "walk_metres": "", "room": "", "reuse_days": "0",
}  # fmt: skip
FORM = EMPTY | {
    "kind": "article", "tier": "company", "title": "三亚慢游", "link_title": "三亚慢游五日",
}  # fmt: skip


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def kept(by, **given) -> Material:
    return content.write(
        material=None, content=MaterialContent(tier="company", **given), by=by, now=timezone.now()
    )


def card(by, **given) -> Material:
    said = {"kind": "product", "title": "三亚", "link_title": "三亚五日", "price_cents": 388_000}
    return kept(by, **said | {"link_url": "https://shop.example/sanya"} | given)


def rows(*blocks, **more) -> dict[str, str]:
    """The rows of the form as a browser sends them."""
    sent = {"blocks-TOTAL_FORMS": str(len(blocks)), "blocks-INITIAL_FORMS": "0"}
    for number, block in enumerate(blocks):
        sent |= {f"blocks-{number}-{name}": str(value) for name, value in block.items()}
    return sent | more


def article(by, *blocks, **given) -> Material:
    said = {"kind": "article", "title": "三亚慢游", "link_title": "三亚慢游五日"}
    return kept(by, **said | {"blocks": blocks or (Block("text", "海边走走"),)} | given)


def shows(material: Material, button: str = "") -> Block:
    return written(kind="card", text="", button=button, source=material)


def test_an_article_is_written_in_rows_and_read_in_their_order(client, operator):
    product = card(operator, drive_minutes=150, walk_metres=800, room="电梯房")
    sent = FORM | rows(
        {"kind": "card", "source": product.pk, "button": "看行程", "order": "9"},
        {"kind": "heading", "text": "去哪里", "order": "1"},
        {"kind": "text", "text": "第一段\r\n第二段 <script>alert(1)</script>", "order": "2"},
        {},
    )
    assert client.post(reverse("crm:content:new"), sent).status_code == 302
    made = Material.unsafe_all.get(kind="article")
    assert [block.kind for block in blocks_of(made)] == ["heading", "text", "card"]
    page = client.get(reverse("crm:content:detail", args=[made.pk])).content.decode()
    assert "<p>第一段</p>" in page
    assert "&lt;script&gt;alert(1)" in page
    for told in ("三亚五日", "¥3,880.00", "2 小时 30 分", "800 米", "电梯房", "看行程"):
        assert told in page
    edit = client.get(reverse("crm:content:edit", args=[made.pk]))
    initial = [row.initial for row in edit.context["form"].blocks.forms[:3]]
    assert [row["source"] for row in initial] == [None, None, product.pk]


def test_a_version_keeps_its_blocks_and_the_card_as_it_was(operator):
    product = card(operator)
    made = article(operator, Block("text", "甲"), shows(product))
    now = timezone.now()
    content.write(
        material=product, by=operator, now=now, version=1,
        content=MaterialContent(
            kind="product", tier="company", title="三亚", link_title="三亚七日", price_cents=1,
            link_url="https://shop.example/other",
        ),
    )  # fmt: skip
    assert blocks_of(made)[1].source.link_title == "三亚五日"
    changed = MaterialContent(
        kind="article", tier="company", title=made.title, link_title=made.link_title,
        blocks=(Block("text", "乙"),),
    )  # fmt: skip
    made = content.write(material=made, content=changed, by=operator, now=now, version=1)
    assert (made.version, blocks_of(made)) == (2, (Block("text", "乙"),))
    old = ArticleBlock.objects.filter(version__material=made, version__number=1)
    assert [block.text for block in old] == ["甲", ""]
    again = content.write(material=made, content=changed, by=operator, now=now, version=2)
    assert again.version == 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"kind": "text", "text": " "}, "请填写文字"),
        ({"kind": "picture"}, "请从素材库选一张图片"),
        ({"kind": "card"}, "请从素材库选一张产品卡片"),
        ({"text": "没有种类"}, "请选种类"),
        ({"kind": "card", "source": "987654"}, "第 1 行"),
        ({"kind": "video", "text": "x"}, "第 1 行"),
    ],
)
def test_a_row_that_says_nothing_is_refused_with_its_number(client, operator, row, said):
    page = client.post(reverse("crm:content:new"), FORM | rows(row))
    assert page.status_code == 422
    assert said in page.content.decode()
    assert not Material.unsafe_all.exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"link_title": ""}, "link_title"),
        ({"link_url": "https://x.example"}, "link_url"),
        ({"blocks": ()}, "blocks"),
        ({"kind": "text", "text": "早", "link_title": ""}, "blocks"),
        ({"blocks": (Block("text", "包过签证"),)}, "blocks"),
        ({"blocks": tuple(Block("text", "x") for _n in range(31))}, "blocks"),
    ],
)
def test_what_is_no_article_is_refused_at_its_field(operator, given, field):
    SensitiveWord.objects.create(word="包过")
    said = {"kind": "article", "title": "x", "link_title": "x", "blocks": (Block("text", "x"),)}
    with pytest.raises(MaterialRefused) as refused:
        kept(operator, **said | given)
    assert refused.value.field == field


def test_a_card_without_a_web_address_has_no_button_to_press(operator):
    product = card(operator)
    Material.unsafe_all.filter(pk=product.pk).update(link_url="")
    product.versions.update(link_url="")
    with pytest.raises(MaterialRefused, match="没有链接地址"):
        article(operator, shows(Material.unsafe_all.get(pk=product.pk)))


def test_facts_that_are_mandatory_are_asked_of_every_card_in_it(operator):
    elder = factories.make_friend(factories.make_agent())
    tag = factories.make_tag(name="银发")
    type(elder).unsafe_all.filter(pk=elder.pk).update(tag_ids=[tag.pk])
    product = card(operator, drive_minutes=60)
    made = article(operator, shows(product))
    now = timezone.now()
    FactRule.objects.create(
        code="silver", name="银发", tag=tag, facts=["drive", "walk"],
        valid_from=now - timedelta(days=1),
    )  # fmt: skip
    [gap] = gaps(made, at=now)
    assert (gap.card, gap.facts) == ("三亚", ("walk",))
    readers = type(elder).unsafe_all.filter(pk=elder.pk)
    with pytest.raises(FactsLacking, match="再保存一次图文") as refused:
        content.use_once(material=made, by=operator, now=now, readers=readers)
    assert refused.value.material_id == product.pk


def test_more_rows_are_asked_for_without_saving(client, operator):
    sent = FORM | rows({"kind": "text", "text": "甲"}, more="1")
    page = client.post(reverse("crm:content:new"), sent)
    assert len(page.context["form"].blocks.forms) == 4
    assert "甲" in page.content.decode()
    assert not Material.unsafe_all.exists()


def test_other_systems_write_and_read_blocks(client, operator):

    headers = {"Authorization": f"Bearer {make_token(Permission.API_CONTENT)}"}

    def sent(body):
        return Client().post(
            reverse("crm:api:materials"), body, content_type="application/json", headers=headers
        )

    product = card(operator)
    body = {
        "kind": "article", "title": "x", "link_title": "三亚",
        "blocks": [{"kind": "text", "text": "甲"}, {"kind": "card", "material_id": product.pk}],
    }  # fmt: skip
    answer = sent(body)
    assert answer.status_code == 201, answer.content
    assert [block["material_id"] for block in answer.json()["blocks"]] == [None, product.pk]
    body["blocks"][1]["material_id"] = 987_654
    assert sent(body).status_code == 422


def test_the_words_of_a_button_are_for_customers_whoever_looks(client, operator):
    made = article(operator, shows(card(operator)))
    operator.language = "en"
    operator.save()
    assert "查看详情" in client.get(reverse("crm:content:detail", args=[made.pk])).content.decode()
