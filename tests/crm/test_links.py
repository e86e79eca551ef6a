"""Short links: they lead where they were made to lead, and count openings, not people."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.links import actions, queries
from crm.links.actions import LinkRefused, make_link, refuse_unsafe
from crm.links.models import LinkClick, ShortLink
from tests import factories

TARGET = "https://travel.example/sanya?from=wecom&x=1#top"
PHONE = "Mozilla/5.0 (iPhone) MicroMessenger/8.0"


@pytest.fixture
def operator(client, db):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def link(operator):
    return make_link(target=TARGET, title="三亚", by=operator, now=timezone.now())


def opened(client, link, **headers):
    return client.get(
        reverse("crm:links:go", args=[link.code]), headers={"User-Agent": PHONE} | headers
    )


def test_a_link_leads_to_its_target_and_nowhere_else(client, link):
    client.logout()
    answer = opened(client, link)
    assert (answer.status_code, answer["Location"]) == (302, TARGET)
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    address = reverse("crm:links:go", args=[link.code])
    for query in ("next=https://evil.example", "target=//evil.example", "url=javascript:alert(1)"):
        told = client.get(f"{address}?{query}", headers={"User-Agent": PHONE, "Host": "testserver"})
        assert told["Location"] == TARGET
    assert client.get(reverse("crm:links:go", args=["nothing"])).status_code == 404


@pytest.mark.parametrize(
    "target",
    [
        "", "javascript:alert(1)", "//evil.example", "/local", "ftp://x.example", "https://",
        "https:///x", "https://user:word@x.example", "https://x.example\r\nSet-Cookie: a=1",
        "https://x.example\\@y.example", "https://x.example:port", "https://[::1", "x" * 3000,
        " https://x.example y", "data:text/html,x",
    ],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_refused(operator, target):
    with pytest.raises(LinkRefused) as refused:
        make_link(target=target, title="x", by=operator, now=timezone.now())
    assert refused.value.field == "target"
    assert not ShortLink.unsafe_all.exists()


def test_a_short_link_does_not_lead_to_a_short_link(operator, link):
    with pytest.raises(LinkRefused, match="再指向"):
        make_link(target=actions.address_of(link), title="x", by=operator, now=timezone.now())


@given(target=st.text(max_size=60) | st.from_regex(r"https?://[^\s]{0,40}", fullmatch=True))
def test_whatever_is_typed_is_refused_in_words_or_is_a_web_address(target):
    try:
        refuse_unsafe(target)
    except LinkRefused:
        return
    assert target.startswith(("http://", "https://", "HTTP", "Http", "hTTP"))
    assert not set(target) & set(" \r\n\t\\")


def test_openings_are_counted_by_day_and_device_and_machines_are_not(client, link):
    assert opened(client, link).status_code == 302
    opened(client, link)
    opened(client, link, **{"User-Agent": "Mozilla/5.0 (Android)"})
    for machine in ("curl/8", "Bytespider", "Mozilla/5.0 (compatible; Googlebot/2.1)", ""):
        assert opened(client, link, **{"User-Agent": machine}).status_code == 302
    client.head(reverse("crm:links:go", args=[link.code]), headers={"User-Agent": PHONE})
    now = timezone.now()
    yesterday = LinkClick.objects.first()
    today = queries.days_of(link, now=now)[0]
    assert (today.opened, today.visitors) == (3, 2)
    actions.note_click(link=link, browser=PHONE, address="127.0.0.1", now=now - timedelta(days=1))
    before = queries.days_of(link, now=now)[1]
    assert (before.opened, before.visitors) == (1, 1)
    hashes = set(LinkClick.objects.values_list("visitor", flat=True))
    assert len(hashes) == 3  # The same phone on another day is somebody else.
    assert "127" not in yesterday.visitor
    assert len(queries.days_of(link, now=now)) == queries.DAYS_SHOWN


def test_a_closed_link_leads_nowhere_and_keeps_its_numbers(client, link):
    opened(client, link)
    assert client.post(reverse("crm:links:close", args=[link.pk])).status_code == 302
    assert opened(client, link).status_code == 404
    page = client.get(reverse("crm:links:detail", args=[link.pk]))
    assert page.context["link"].opened == 1
    assert "已停用" in page.content.decode()


def test_links_are_made_on_the_page_by_whoever_keeps_content(client, operator):
    url = reverse("crm:links:list")
    assert client.post(url, {"title": "x", "target": "nope"}).status_code == 422
    assert client.post(url, {"title": "三亚", "target": TARGET}).status_code == 302
    assert ShortLink.unsafe_all.get().code in client.get(url).content.decode()
    file = client.get(reverse("crm:links:export", args=[ShortLink.unsafe_all.get().pk]))
    assert len(b"".join(file.streaming_content).decode().splitlines()) == 1 + queries.DAYS_SHOWN
    client.force_login(factories.make_user(Role.AGENT))
    assert "<form" not in client.get(url).content.decode().split('id="main"')[1].split("</main>")[0]
    assert client.post(url, {"title": "y", "target": TARGET}).status_code == 422
    assert ShortLink.unsafe_all.count() == 1
