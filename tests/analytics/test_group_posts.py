"""What followed on posts in groups: exits against each group's own usual, talk, and people."""

import csv
import io
import re
from datetime import timedelta
from html import unescape
from itertools import count

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.results.aftermath import excess_p
from analytics.results.group_posts import AFTER, BEFORE_WINDOWS, group_posts
from crm.agents.access import Role
from crm.archive.consent import note_consent
from crm.archive.models import ArchivedMessage
from tests import factories
from tests.analytics.send_world import made_send

pytestmark = pytest.mark.django_db
_serial = count(1)


@pytest.fixture
def agent():
    company = factories.make_department()
    return factories.make_agent(department=factories.make_department(parent=company))


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def post(send, group, *, result=1):
    """The group as a recipient; posted at the planned time."""
    at = send.send_at if result == 1 else None
    return send.recipients.create(
        group=group, agent=group.owner, state="done", result=result, sent_at=at
    )


def made_post(*groups, **more):
    send = made_send(percent=0, target="groups", **more)
    for group in groups:
        post(send, group)
    return send


def old_group(agent, days: float = 100):
    return factories.make_group(agent, opened_at=timezone.now() - timedelta(days=days))


def leaves(group, send, hours: float, n: int = 1, **properties) -> list:
    """Members who leave so many hours after the send."""
    at = send.send_at + timedelta(hours=hours)
    people = [factories.make_friend(group.owner) for _n in range(n)]
    for one in people:
        joined = send.send_at - timedelta(days=60)
        factories.make_membership(group, one, joined_at=joined, left_at=at)
        factories.make_fact(one, "group_left", at, group_id=group.pk, properties=properties)
    return people


def says(customer, group, send, hours: float, *, agrees=True, **more) -> None:
    n, at = next(_serial), send.send_at + timedelta(hours=hours)
    if agrees is not None:
        note_consent(
            customer_id=customer.pk, agent_id=None, group_id=group.pk, agreed=agrees,
            decided_at=at, told_by="message",
        )  # fmt: skip
    ArchivedMessage.unsafe_all.create(**{
        "seq": n, "msgid": f"g{n}", "action": "send", "kind": "text", "room": group.chat_id,
        "group": group, "customer": customer, "by_customer": True, "said_at": at, "pulled_at": at,
    } | more)  # fmt: skip


def only(send, user, now=None):
    [row] = group_posts(send, user=user, now=now or timezone.now())
    return row


def test_exits_stand_against_the_group_s_own_usual(agent, operator):
    loud, calm = old_group(agent), old_group(agent)
    send = made_post(calm, loud)
    for day in range(BEFORE_WINDOWS):
        leaves(calm, send, -24 * day - 5, 3)
        if day < 14:
            leaves(loud, send, -24 * day - 5, 1)
    leaves(loud, send, -24 * BEFORE_WINDOWS - 1, 40)  # Too early.
    leaves(loud, send, 24.1, 40)  # Too late.
    for group in (loud, calm):
        leaves(group, send, 3, 4)
    first, second = group_posts(send, user=operator, now=timezone.now())
    assert (first.group_id, second.group_id) == (loud.pk, calm.pk)
    assert (first.usual, second.usual) == (0.5, 3.0)
    assert len(first.left) == len(second.left) == 4
    assert (first.is_high, second.is_high) == (True, False)
    assert first.p_value == excess_p(4, 14, windows=28)


def test_only_who_leaves_of_themselves_counts(agent, operator):
    group = old_group(agent)
    send = made_post(group)
    for hours in (3, -30):
        leaves(group, send, hours, quit_scene=1)  # Removed.
        leaves(group, send, hours, dismissed=True)
    left = [*leaves(group, send, 4, quit_scene=0), *leaves(group, send, 5, observed=True)]
    elsewhere = old_group(agent)
    leaves(elsewhere, send, 3, 5)
    row = only(send, operator)
    assert row.left == tuple(sorted(one.pk for one in left))
    assert row.usual == 0


def test_whoever_was_there_is_the_denominator(agent, operator):
    group = old_group(agent)
    send = made_post(group)
    stays = factories.make_friend(agent)
    factories.make_membership(group, stays, joined_at=send.send_at - timedelta(days=1))
    leaves(group, send, -1, 3)  # Gone before it.
    leaves(group, send, 2, 1)
    late = factories.make_friend(agent)
    joined, left = (send.send_at + timedelta(hours=hours) for hours in (3, 4))
    factories.make_membership(group, late, joined_at=joined, left_at=left)
    factories.make_fact(late, "group_left", left, group_id=group.pk)
    row = only(send, operator)
    assert (len(row.members), len(row.left)) == (2, 2)
    assert (row.share.x, row.share.n) == (1, 2)


def test_a_young_group_is_measured_against_the_days_it_has(agent, operator):
    group = old_group(agent, days=20)  # The post was ten days ago.
    send = made_post(group)
    leaves(group, send, -30, 5)
    row = only(send, operator)
    assert row.usual == pytest.approx(0.5, abs=0.01)
    newborn = old_group(agent, days=10.2)
    row = only(made_post(newborn), operator)
    assert (row.usual, row.p_value, row.is_high) == (None, None, False)


def test_before_the_day_is_over_nothing_is_called_high(agent, operator):
    group = old_group(agent)
    send = made_post(group, days_ago=0.5)
    leaves(group, send, 1, 6)
    assert not only(send, operator).is_high
    assert only(send, operator, timezone.now() + timedelta(days=1)).is_high


@settings(deadline=None, max_examples=25)
@given(
    left=st.lists(st.integers(-40 * 24, 72), max_size=30),
    age=st.integers(1, 60),
)
def test_windows_are_cut_as_the_definition_says(left, age):
    """Against a count by hand."""
    agent, user = factories.make_agent(), factories.make_user(Role.OPERATOR)
    send = made_send(percent=0, target="groups")
    opened = send.send_at - timedelta(days=age)
    group = factories.make_group(agent, opened_at=opened)
    post(send, group)
    for hour in left:
        leaves(group, send, hour)
    row = only(send, user)
    windows = min(BEFORE_WINDOWS, age)
    before = [hour for hour in left if -24 * BEFORE_WINDOWS <= hour < 0]
    assert len(row.left) == sum(0 <= hour < AFTER.total_seconds() / 3600 for hour in left)
    assert row.usual == pytest.approx(len(before) / windows)


def test_where_it_was_not_posted_nothing_followed(agent, operator, client):
    group = old_group(agent)
    send = made_send(percent=0, target="groups")
    post(send, group, result=0)
    leaves(group, send, 2, 6)
    row = only(send, operator)
    assert (row.is_confirmed, row.members, row.left, row.messages) == (False, None, None, None)
    page = client.get(reverse("analytics:results:send", args=[send.pk])).content.decode()
    assert "待员工发送" in page
    assert "确认 0 个" in page


def test_talk_counts_of_those_who_agreed_and_is_unknown_without_an_archive(agent, operator):
    group, silent = old_group(agent), old_group(agent)
    send = made_post(group, silent)
    people = [factories.make_friend(agent) for _n in range(4)]
    says(people[0], group, send, 1)
    says(people[0], group, send, 23)
    says(people[1], group, send, 25)  # Too late.
    says(people[2], group, send, 2, agrees=False)
    says(people[3], group, send, 2, kind="agree")
    rows = {row.group_id: row for row in group_posts(send, user=operator, now=timezone.now())}
    assert (rows[group.pk].messages, rows[group.pk].spoke) == (2, (people[0].pk,))
    assert (rows[silent.pk].messages, rows[silent.pk].spoke) == (None, None)


def test_a_lead_sees_the_own_groups_and_people(agent, operator, client):
    other = factories.make_agent(department=factories.make_department())
    ours, theirs = old_group(agent), old_group(other)
    send = made_post(ours, theirs)
    mine = leaves(ours, send, 2, 2)
    stranger = factories.make_friend(other)
    factories.make_fact(stranger, "group_left", send.send_at + timedelta(hours=2), group_id=ours.pk)
    leaves(theirs, send, 2, 5)
    lead = factories.make_user(Role.LEAD, departments=[agent.department])
    send.created_by = lead
    send.save()
    assert len(group_posts(send, user=operator, now=timezone.now())) == 2
    assert only(send, lead).left == tuple(sorted(one.pk for one in mine))
    client.force_login(lead)
    url = reverse("analytics:figures:people", args=["group-post"])
    asked = {"send": send.pk, "what": "left"}
    assert client.get(url, asked).context["page"].total == 2
    assert client.get(url, asked | {"group": theirs.pk}).status_code == 422


def test_page_file_api_and_people_say_the_same(agent, operator, client):
    groups = [old_group(agent) for _n in range(2)]
    send = made_post(*groups)
    for n, group in enumerate(groups, start=2):
        leaves(group, send, 2, n)
        says(factories.make_friend(agent), group, send, 1)
    page = client.get(reverse("analytics:results:send", args=[send.pk]))
    text = page.content.decode()
    links = re.findall(r'data-figure="(\d+)" href="([^"]+)"', text)
    assert len(links) == 9  # Three numbers of two groups, and of both together.
    for value, href in links:
        assert client.get(unescape(href)).context["page"].total == int(value), href
    assert page.context["totals"]["left"].value == 5
    got = client.get(reverse("analytics:results:export", args=[send.pk]))
    rows = list(csv.reader(io.StringIO(b"".join(got).decode("utf-8-sig"))))
    assert sorted(row[8] for row in rows[1:]) == ["2", "3"]
    body = client.get(reverse("analytics:results:groups_api", args=[send.pk])).json()
    assert sorted(row["left"] for row in body["groups"]) == [2, 3]
    assert [row["messages"] for row in body["groups"]] == [1, 1]
    left = page.context["totals"]["left"]
    assert client.get(left.href).context["page"].total == 5


@pytest.mark.parametrize("query", [{}, {"what": "joined"}, {"what": "left", "group": "x"}])
def test_numbers_that_are_none_are_refused(agent, operator, client, query):
    send = made_post(old_group(agent))
    url = reverse("analytics:figures:people", args=["group-post"])
    assert client.get(url, {"send": send.pk} | query).status_code == 422
    assert client.get(url, {"what": "left", "send": made_send().pk}).status_code == 422


def test_a_send_to_customers_has_no_groups(operator, client):
    body = client.get(reverse("analytics:results:groups_api", args=[made_send().pk])).json()
    assert body["groups"] == []


def test_a_post_without_groups_in_scope_says_so(operator, client):
    send = made_send(target="groups")
    page = client.get(reverse("analytics:results:send", args=[send.pk])).content.decode()
    assert "没有您能看到的群" in page
