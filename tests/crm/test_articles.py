"""The page that customers read: what it shows, where it leads, and what is counted of it."""

import json
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db.utils import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.articles import actions
from crm.articles.actions import ArticleRefused, make_link
from crm.articles.limits import MOST_BYTES
from crm.articles.models import ArticleClick, ArticleLink, ArticleView
from crm.articles.queries import address_of
from crm.content import actions as content
from crm.content.actions import MaterialContent
from crm.content.blocks import Block
from crm.content.models import Material, MaterialVersion
from crm.content.pictures import store_picture
from crm.subjects.erasing import erase
from crm.timeline.models import Fact
from tests import factories
from tests.crm.test_content_articles import article, card, shows
from tests.crm.test_content_kinds import upload

pytestmark = pytest.mark.django_db
PHONE = {"User-Agent": "Mozilla/5.0 (iPhone) MicroMessenger/8.0"}
TARGET = "https://shop.example/sanya"


@pytest.fixture
def operator(client, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def material(operator):
    return article(operator, Block("text", "海边走走"), shows(card(operator)))


@pytest.fixture
def link(operator, material):
    return make_link(material=material, place="send", by=operator, now=timezone.now())


def opened(link, **headers):
    return Client().get(reverse("crm:articles:read", args=[link.code]), headers=PHONE | headers)


def told(link, body, **headers):
    return Client(enforce_csrf_checks=True).post(
        reverse("crm:articles:reading", args=[link.code]),
        body if isinstance(body, bytes) else json.dumps(body),
        content_type="text/plain",
        headers=PHONE | headers,
    )


def pressed(link, position, view="", **query):
    address = reverse("crm:articles:go", args=[link.code, position])
    return Client().get(address, {"v": str(view)} | query, headers=PHONE)


def test_a_stranger_reads_the_page_and_it_asks_nothing_of_others(link):
    page = opened(link)
    assert page.status_code == 200
    body = page.content.decode()
    assert "海边走走" in body and "三亚五日" in body
    assert page["Cache-Control"] == "no-store"
    policy = page["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in body.replace(settings.SITE_URL, "").split("</head>")[0]
    assert "Set-Cookie" not in page.headers
    assert Client().get("/l/abcdefghjk/", headers=PHONE).status_code == 404


def test_the_page_shows_the_version_that_its_address_was_made_for(operator, material, link):
    changed = MaterialContent(
        kind="article", tier="company", title="x", link_title="y", blocks=(Block("text", "新"),)
    )
    content.write(material=material, content=changed, by=operator, now=timezone.now(), version=1)
    assert "海边走走" in opened(link).content.decode()
    material.refresh_from_db()
    later = make_link(material=material, place="send", by=operator, now=timezone.now())
    assert "海边走走" not in opened(later).content.decode()


def test_what_is_over_or_taken_back_says_so_and_leads_nowhere(client, operator, material, link):
    view = ArticleView.objects.create(link=link, opened_at=timezone.now(), visitor="x")
    yesterday = timezone.localdate() - timedelta(days=1)
    Material.unsafe_all.filter(pk=material.pk).update(expires_on=yesterday)
    assert opened(link).status_code == 410
    assert "已过期" in opened(link).content.decode()
    assert pressed(link, 2, view.pk).status_code == 410
    Material.unsafe_all.filter(pk=material.pk).update(expires_on=None)
    assert opened(link).status_code == 200
    close = reverse("crm:articles:close", args=[material.pk])
    assert client.post(close, {"link": link.pk}).status_code == 302
    assert "已撤下" in opened(link).content.decode()
    assert not ArticleClick.objects.exists()


def test_machines_and_what_is_fetched_ahead_are_not_counted(link):
    assert 'data-view="' in opened(link).content.decode()
    for headers in (
        {"User-Agent": "Bytespider"}, {"User-Agent": ""}, {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "preview"},
    ):  # fmt: skip
        page = opened(link, **headers)
        assert page.status_code == 200
        assert "data-view" not in page.content.decode()
    view = ArticleView.objects.get()
    assert "127" not in view.visitor
    assert view.read_ms is None


def test_a_button_leads_where_the_stored_version_says_and_nowhere_else(link):
    view = ArticleView.objects.create(link=link, opened_at=timezone.now(), visitor="x")
    for query in (
        {"next": "https://evil.example"}, {"url": "//evil.example"}, {"target": "javascript:1"},
        {"to": "https://evil.example"}, {"redirect": "/admin/"},
    ):  # fmt: skip
        answer = pressed(link, 2, view.pk, **query)
        assert (answer.status_code, answer["Location"]) == (302, TARGET)
    assert pressed(link, 2, "no number").status_code == 302
    for position in (0, 1, 3, 99, 10**9):
        assert pressed(link, position, view.pk).status_code == 404
    assert [click.position for click in ArticleClick.objects.all()] == [2]
    # Even what came to stand in the table by another way is looked at once more.
    MaterialVersion.objects.filter(link_url=TARGET).update(link_url="javascript:alert(1)")
    assert pressed(link, 2, view.pk).status_code == 404


def test_a_picture_is_shown_by_the_page_that_holds_it_alone(operator, link):
    picture = store_picture(upload=upload(), name="x.png", by=operator)
    made = article(operator, picture=picture)
    mine = make_link(material=made, place="send", by=operator, now=timezone.now())
    address = reverse("crm:articles:picture", args=[mine.code, picture.pk])
    assert address in opened(mine).content.decode()
    assert Client().get(address).status_code == 200
    foreign = reverse("crm:articles:picture", args=[link.code, picture.pk])
    assert Client().get(foreign).status_code == 404


@examples(max_examples=30, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 200_000), st.integers(-5, 4_000_000), st.integers(-5, 300)
        ),
        max_size=12,
    )
)  # fmt: skip
def test_reading_never_lasts_longer_than_time_passed_whatever_is_told(steps):
    """Any order, told twice or lost: what is kept grows, and stays within the wall clock."""
    link = _plain_link()
    now = begun = timezone.now()
    view = ArticleView.objects.create(link=link, opened_at=begun, visitor="x")
    kept, most = 0, 0
    for wait, visible, depth in steps:
        now += timedelta(milliseconds=wait)
        passed = (now - begun) // timedelta(milliseconds=1)
        most = max(most, min(max(visible, 0), passed, 1_800_000))
        for _twice in range(2):
            assert actions.note_reading(
                link=link, view_id=view.pk, visible_ms=visible, depth=depth, now=now
            )
            view.refresh_from_db()
            assert kept <= view.read_ms <= min(passed, 1_800_000)
            assert 0 <= view.depth <= 100
        kept = view.read_ms
    if steps:
        assert view.read_ms == most
    else:
        assert view.read_ms is None


def _plain_link() -> ArticleLink:
    if link := ArticleLink.unsafe_all.first():
        return link
    by = factories.make_user(Role.OPERATOR)
    return make_link(material=article(by), place="send", by=by, now=timezone.now())


@pytest.mark.parametrize(
    ("ms", "depth", "is_read"),
    [(14_999, 99, False), (15_000, 0, True), (2_999, 100, False), (3_000, 100, True)],
)
def test_read_is_long_enough_or_to_the_end_and_not_in_a_rush(link, ms, depth, is_read):
    begun = timezone.now()
    view = ArticleView.objects.create(link=link, opened_at=begun, visitor="x")
    at = begun + timedelta(minutes=1)
    actions.note_reading(link=link, view_id=view.pk, visible_ms=ms, depth=depth, now=at)
    view.refresh_from_db()
    assert (view.read_at == at) is is_read


def test_what_no_page_of_ours_says_changes_nothing(operator, link):
    begun = timezone.now() - timedelta(minutes=5)
    view = ArticleView.objects.create(link=link, opened_at=begun, visitor="x")
    fine = {"view": str(view.pk), "ms": 1000, "depth": 50}
    for body in (
        b"\xff", b"[]", b"null", b"{" * 200, fine | {"ms": -1}, fine | {"ms": "x"},
        fine | {"depth": 101}, fine | {"view": "x"}, fine | {"view": str(uuid.uuid4())},
        {"view": str(view.pk)},
    ):  # fmt: skip
        assert told(link, body).status_code == 204
    assert told(link, b"x" * (MOST_BYTES + 1)).status_code == 413
    other = make_link(material=article(operator), place="moments", by=operator, now=timezone.now())
    assert told(other, fine).status_code == 204
    view.refresh_from_db()
    assert view.read_ms is None
    assert told(link, fine).status_code == 204
    view.refresh_from_db()
    assert (view.read_ms, view.depth) == (1000, 50)
    ArticleView.objects.filter(pk=view.pk).update(opened_at=begun - timedelta(days=2))
    assert told(link, fine | {"ms": 9000}).status_code == 204
    view.refresh_from_db()
    assert view.read_ms == 1000


def test_whoever_asks_too_often_has_to_wait(link, settings):
    settings.ARTICLES_A_MINUTE = 2
    answers = [opened(link, **PHONE).status_code for _n in range(5)]
    assert 429 in answers
    assert told(link, {}).status_code == 429


def test_behind_a_proxy_readers_are_told_apart_and_a_forged_address_is_not_believed(link, settings):
    settings.ARTICLES_A_MINUTE, settings.PROXIES = 2, 1

    def asked(said: str) -> int:
        return opened(link, **{"X-Forwarded-For": said}).status_code

    assert {asked(f"203.0.113.{n}") for n in range(6)} == {200}
    assert 429 in {asked(f"198.51.100.{n}, 203.0.113.99") for n in range(6)}
    visitors = set(ArticleView.objects.values_list("visitor", flat=True))
    assert len(visitors) == 7
    # A proxy that names nobody keeps nobody out.
    assert {opened(link).status_code for _n in range(6)} == {200}


def test_an_address_for_one_person_is_for_one_to_one_places(client, operator, material):
    now, customer = timezone.now(), factories.make_friend(factories.make_agent())
    with pytest.raises(ArticleRefused) as refused:
        make_link(material=material, place="send", customer=customer, by=operator, now=now)
    assert refused.value.field == "place"
    first = make_link(material=material, place="chat", customer=customer, by=operator, now=now)
    again = make_link(material=material, place="chat", customer=customer, by=operator, now=now)
    assert first == again
    with pytest.raises(IntegrityError):
        ArticleLink.unsafe_all.filter(pk=first.pk).update(place="send")


def test_addresses_are_made_on_the_page_and_used_in_sends(client, operator, material):
    url = reverse("crm:articles:links", args=[material.pk])
    assert client.post(url, {"place": "nowhere"}).status_code == 422
    assert client.post(url, {"place": "send", "note": "国庆"}).status_code == 302
    page = client.get(url).content.decode()
    made = ArticleLink.unsafe_all.get()
    assert address_of(made) in page and "国庆" in page
    send = client.get(reverse("crm:outreach:new"), {"material": material.pk})
    assert send.context["form"].initial["link_url"] == address_of(made)
    moment = client.get(reverse("crm:moments:new"), {"material": material.pk})
    assert moment.context["form"].initial["link_url"] == ""


def test_an_agent_makes_an_address_for_a_customer_of_theirs_alone(client, operator, material):
    agent = factories.make_agent()
    mine, other = factories.make_friend(agent), factories.make_friend(factories.make_agent())
    user = factories.make_user(Role.AGENT)
    user.agent = agent
    user.save()
    client.force_login(user)
    url = reverse("crm:articles:links", args=[material.pk])
    assert client.post(f"{url}?customer={mine.pk}", {"place": "chat"}).status_code == 302
    made = ArticleLink.unsafe_all.get()
    assert (made.customer, made.agent) == (mine, agent)
    client.force_login(operator)
    client.post(f"{url}?customer={other.pk}", {"place": "chat"})
    client.force_login(user)
    rows = client.get(url).context["rows"]
    assert [link.customer for link, _address in rows] == [mine]


def test_what_the_person_of_a_link_did_stands_on_their_timeline_once(operator, material):
    now, agent = timezone.now(), factories.make_agent()
    customer = factories.make_friend(agent)
    link = make_link(
        material=material, place="chat", customer=customer, agent=agent, by=operator, now=now
    )
    assert opened(link).status_code == 200
    view = ArticleView.objects.get()
    ArticleView.objects.update(opened_at=now - timedelta(minutes=1))
    for _twice in range(2):
        told(link, {"view": str(view.pk), "ms": 20_000, "depth": 100})
        pressed(link, 2, view.pk)
    facts = Fact.unsafe_all.filter(customer=customer, source="article").order_by("pk")
    kinds = ["article_opened", "article_read", "article_clicked"]
    assert [fact.kind.code for fact in facts] == kinds
    assert {fact.agent_id for fact in facts} == {agent.pk}
    assert facts[2].properties["card"] == "三亚五日"
    Fact.unsafe_all.filter(customer=customer).delete()
    assert actions.note_click(link=link, view_id=view.pk, position=2, now=now) is False


def test_an_address_for_nobody_leaves_no_fact(link):
    opened(link)
    view = ArticleView.objects.get()
    pressed(link, 2, view.pk)
    assert ArticleClick.objects.count() == 1
    assert not Fact.unsafe_all.filter(source="article").exists()


def test_erasing_a_person_takes_their_addresses_and_openings_along(operator, material, link):
    customer = factories.make_friend(factories.make_agent())
    mine = make_link(
        material=material, place="chat", customer=customer, by=operator, now=timezone.now()
    )
    opened(mine)
    opened(link)
    pressed(mine, 2, ArticleView.objects.get(link=mine).pk)
    customer.contacts.update(ended_at=timezone.now(), status="deleted_by_agent")
    assert erase(customer.pk, now=timezone.now())["crm.ArticleView"] >= 1
    assert not ArticleLink.unsafe_all.filter(pk=mine.pk).exists()
    assert opened(mine).status_code == 404
    assert [view.link for view in ArticleView.objects.all()] == [link]
