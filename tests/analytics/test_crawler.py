"""Every figure of the product, opened: page, list, file and API say the same, within the scope.

A crawler starts at the front page, follows every link that a manager or a lead is shown, and opens
every number that it finds. It knows no page by name, so that a new page is visited by itself.
"""

import csv
import io
import random
import re
from collections import Counter
from datetime import timedelta
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
from django.urls import resolve
from django.utils import timezone

from analytics.segments.actions import freeze_segment
from analytics.segments.models import Segment
from crm.agents.access import Role
from tests import factories
from tests.analytics.send_world import add_people, made_send, told

LINK = re.compile(r'href="([^"#]+)"')
FIGURE = re.compile(r'<a class="figure num"[^>]*data-figure="(\d+)" href="([^"]+)"')
LEFT_ALONE = ("/accounts/", "/admin/", "/static/", "/api/", "/media/", "/sandbox/")
OF_ONE_KIND = 4  # Pages that differ in their parameters only are alike.
AT_MOST = 400


@pytest.fixture
def house(settings, tmp_path, db):
    """Two teams under one roof; their customers did everything that pages count."""
    settings.COLUMNS_DIR = tmp_path / "columns"
    dice, now = random.Random(8), timezone.now()
    root = factories.make_department()
    teams = [factories.make_department(parent=root) for _n in range(2)]
    agents = [factories.make_agent(department=team) for team in teams for _n in range(2)]
    channels = [factories.make_channel() for _n in range(2)]
    group = factories.make_group(agents[0])
    for number in range(40):
        agent, channel = dice.choice(agents), dice.choice(channels)
        since = now - timedelta(days=dice.randrange(10, 80), minutes=dice.randrange(600))
        friend = factories.make_friend(agent, added_at=since, channel=channel)
        known = {"agent_id": agent.pk, "channel_id": channel.pk}

        def tell(kind: str, days: float, customer=friend, start=since, **more) -> None:
            at = start + timedelta(days=days)
            if at < now:
                factories.make_fact(customer, kind, at, **more)

        tell("friend_added", 0, **known)
        if number % 2:
            factories.make_membership(group, friend, joined_at=since)
            tell("group_joined", 1, group_id=group.pk)
        for day in range(dice.randrange(6)):
            tell("message_received", day * 1.5, agent_id=agent.pk)
            tell("message_sent", day * 1.5 + dice.random() / 10, agent_id=agent.pk)
        tell("retained", 7, **known)
        for order in range(dice.randrange(3)):
            tell("order_paid", 5 + 9 * order, amount_cents=128_000)
            if order:
                tell("repeat_order", 5 + 9 * order)
        if number % 9 == 0:
            tell("friend_deleted_by_customer", 6, agent_id=agent.pk)
    friends = {"all": [{"field": "friend", "in": ["friend"]}]}
    segment = Segment.unsafe_all.create(name="好友", rule=friends)
    send = made_send()
    for agent in agents:
        for one in add_people(send, agent, 8):
            told(one, "order_paid", send, dice.randrange(9), amount_cents=50_000)
        add_people(send, agent, 2, held=True)
    manager = factories.make_user(Role.MANAGER, departments=[root])
    lead = factories.make_user(Role.LEAD, departments=[teams[0]])
    for user in (manager, lead):
        freeze_segment(segment=segment, name="好友们", by=user, now=now)
    return manager, lead


def pages(client):
    """(address, html) of every page that is linked from the front page, or from one of those."""
    waiting, seen, kinds = ["/"], {"/"}, Counter()
    while waiting and len(seen) < AT_MOST:
        url = waiting.pop(0)
        response = client.get(url)
        while response.status_code in (301, 302):
            response = client.get(urljoin(url, response["Location"]))
        if not response.get("Content-Type", "").startswith("text/html") or response.streaming:
            continue
        assert response.status_code in (200, 422), f"{url} answers {response.status_code}"
        html = response.content.decode()
        yield url, html
        for link in LINK.findall(html):
            target = urljoin(url, unescape(link))
            path = urlsplit(target).path
            if not target.startswith("/") or path.startswith(LEFT_ALONE) or target in seen:
                continue
            kind = resolve(path).view_name
            if kind is None or "export" in kind or kinds[kind] >= OF_ONE_KIND:
                continue
            kinds[kind] += 1
            seen.add(target)
            waiting.append(target)


def listed(client, href: str) -> tuple[int, int]:
    """What the list says it holds, and how many stand in it on all its pages."""
    count, people, url = None, 0, href
    while url:
        html = client.get(url).content.decode()
        found = re.search(r'data-count="(\d+)"', html)
        assert found, f"{url} is no list of people"
        count = int(found[1])
        people += len(re.findall(r"data-person", html))
        further = re.search(r'rel="next" href="([^"]+)"', html)
        url = unescape(further[1]) if further else None
    return count, people


def in_file(client, href: str) -> int:
    """People in the file behind a list; people may have several lines of text, hence the reader."""
    path, _mark, query = href.partition("?")
    response = client.get(f"{path}export/?{query}")
    assert response.status_code == 200, href
    text = b"".join(response).decode() if response.streaming else response.content.decode()
    return len(list(csv.reader(io.StringIO(text)))) - 1


def in_api(client, href: str) -> tuple[int, int]:
    """What the API counts, and whom (or of what counts relations, what) it lists."""
    url = href.replace("/reports/people/", "/api/v1/analytics/people/", 1).replace("/?", "?", 1)
    body = client.get(url).json()
    listed = body["people"] if body["lines"] is None else body["lines"]
    return body["count"], len(listed)


@pytest.mark.parametrize("place", [0, 1], ids=["manager", "lead"])
def test_every_figure_opens_into_as_many_people_everywhere(client, house, place):
    client.force_login(house[place])
    opened: dict[str, int] = {}
    visited = []
    for url, html in pages(client):
        visited.append(url)
        for shown, link in FIGURE.findall(html):
            href = urljoin(url, unescape(link))
            if href in opened:
                assert opened[href] == int(shown), f"{href} on {url}"
                continue
            opened[href] = int(shown)
            expected = (int(shown), int(shown))
            assert listed(client, href) == expected, f"{href} on {url}"
            assert in_file(client, href) == int(shown), f"{href} on {url}"
            if href.startswith("/reports/people/"):
                assert in_api(client, href) == expected, f"{href} on {url}"
    names = {urlsplit(href).path for href in opened}
    assert len(visited) > 25, visited
    assert len(opened) > 40
    assert len(names) >= 4, names
    for name in ("pool-relations", "agent-facts", "send-recipients", "rfm"):
        assert f"/reports/people/{name}/" in names


def test_the_lead_is_shown_fewer_people_than_the_manager(client, house):
    totals = []
    for user in house:
        client.force_login(user)
        page = client.get("/reports/retention/?birth=friend_added&return=message_received")
        totals.append(max(int(n) for n, _href in FIGURE.findall(page.content.decode())))
    assert 0 < totals[1] < totals[0]
