"""What followed posts to Moments: deletions against the account's own past, and viewers' deeds."""

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.results.aftermath import BEFORE_WINDOWS, WINDOW, Start, aftermath
from analytics.results.posts import accounts, viewers
from crm.agents.access import Role
from crm.moments.models import (
    ListedMoment,
    Moment,
    MomentAudience,
    MomentReaction,
    MomentTask,
)
from tests import factories

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def ago(days: float):
    return NOW - timedelta(days=days)


def made_moment(**values) -> Moment:
    given = {"title": "三亚早鸟", "publish_at": ago(10), "publish_wall": "10:00"}
    given |= {"content_hash": "x", "state": "done", "wecom_moment_id": f"m{values.get('title')}"}
    return Moment.unsafe_all.create(**given | values)


def published(moment: Moment, agent, days: float) -> MomentTask:
    return MomentTask.unsafe_all.create(
        moment=moment, agent=agent, is_published=True, published_at=ago(days)
    )


def deletes(agent, days: float, n: int = 1) -> list:
    friends = [factories.make_friend(agent) for _n in range(n)]
    for one in friends:
        factories.make_fact(one, "friend_deleted_by_customer", ago(days), agent_id=agent.pk)
    return friends


def listed(agent, days: float, text: str = "") -> ListedMoment:
    number = ListedMoment.unsafe_all.count()
    return ListedMoment.unsafe_all.create(
        moment_id=f"l{number}", agent=agent, posted_at=ago(days), is_corporate=False,
        is_public=True, text=text, seen_at=NOW,
    )  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(
    deleted=st.lists(st.integers(0, 60 * 24), max_size=40),
    posted=st.lists(st.integers(0, 40 * 24), min_size=1, max_size=6),
)
def test_windows_are_cut_as_the_definition_says(deleted, posted):
    """Against a count by hand, for several posts of one account whose windows overlap."""
    agent = factories.make_agent()
    customer = factories.make_friend(agent)
    for hour in deleted:
        factories.make_fact(
            customer, "friend_deleted_by_customer", ago(60) + timedelta(hours=hour),
            agent_id=agent.pk,
        )  # fmt: skip
    starts = [Start(n, agent.pk, ago(60) + timedelta(hours=hour)) for n, hour in enumerate(posted)]
    found = {row.start.key: row for row in aftermath(starts, factories.make_user(Role.OPERATOR))}
    times = [ago(60) + timedelta(hours=hour) for hour in deleted]
    for start in starts:
        after = [at for at in times if start.at <= at < start.at + WINDOW]
        before = [at for at in times if start.at - BEFORE_WINDOWS * WINDOW <= at < start.at]
        assert found[start.key].deletions == min(len(after), 1)
        assert found[start.key].usual == len(before) / BEFORE_WINDOWS


def test_three_risky_posts_raise_a_warning_and_two_do_not(client):
    loud, quiet = factories.make_agent(), factories.make_agent()
    for agent, risky in ((loud, (26, 17, 8)), (quiet, (26, 8))):
        for day in risky:
            listed(agent, day, text="大促最后一天")
            deletes(agent, day - 0.5, 6)
        listed(agent, 4)
    listed(loud, 1, text="还没有满两天")
    user = factories.make_user(Role.OPERATOR)
    found = {row.agent_id: row for row in accounts(user, days=30, now=NOW)}
    assert (len(found[loud.pk].posts), len(found[loud.pk].risky)) == (4, 3)
    assert found[loud.pk].is_warned
    assert (len(found[quiet.pk].posts), len(found[quiet.pk].risky)) == (3, 2)
    assert not found[quiet.pk].is_warned
    client.force_login(user)
    page = client.get(reverse("analytics:results:posts"))
    assert page.context["warned"] == [loud.name]
    assert "1 个账号有三次以上" in page.content.decode()
    row = next(row for row in page.context["accounts"] if row.agent == loud.name)
    assert row.deletions.value == 18
    assert client.get(row.deletions.href).context["page"].total == 18
    post = page.context["risky"][0]
    assert client.get(post.deletions.href).context["page"].total == post.deletions.value == 6


def test_page_file_and_api_say_the_same(client):
    agent = factories.make_agent()
    published(made_moment(), agent, 9)
    deletes(agent, 8, 5)
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    file = client.get(reverse("analytics:results:export_posts"))
    rows = list(csv.reader(io.StringIO(b"".join(file.streaming_content).decode("utf-8-sig"))))
    assert rows[1][0] == agent.name
    assert rows[1][3] == "5"
    client.force_login(factories.make_user(Role.SERVICE))
    body = client.get(reverse("analytics:results:posts_api")).json()
    assert body["posts"][0]["deletions"] == 5
    assert body["posts"][0]["is_high"] is True


def test_a_lead_sees_the_accounts_of_the_own_team(client):
    company = factories.make_department()
    ours, theirs = (factories.make_department(parent=company) for _n in range(2))
    mine = factories.make_agent(department=ours)
    other = factories.make_agent(department=theirs)
    for agent in (mine, other):
        listed(agent, 5)
        deletes(agent, 4, 3)
    lead = factories.make_user(Role.LEAD, departments=[ours])
    client.force_login(lead)
    page = client.get(reverse("analytics:results:posts"))
    assert [row.agent for row in page.context["accounts"]] == [mine.name]
    foreign = reverse("analytics:figures:people", args=["post-deletions"])
    assert client.get(foreign, {"agent": other.pk}).status_code == 422


def test_a_moment_tells_what_its_viewers_did_and_proves_nothing(client):
    agent, moment = factories.make_agent(), made_moment()
    task = published(moment, agent, 10)
    people = [factories.make_friend(agent) for _n in range(6)]
    for one in people:
        MomentAudience.unsafe_all.create(task=task, customer=one, seen_at=ago(9))
    MomentReaction.unsafe_all.create(task=task, customer=people[0], kind="like", at=ago(9))
    MomentReaction.unsafe_all.create(task=task, customer=people[1], kind="comment", at=ago(9))
    factories.make_fact(people[0], "message_received", ago(8), agent_id=agent.pk)
    factories.make_fact(people[1], "message_received", ago(11), agent_id=agent.pk)  # Before.
    factories.make_fact(people[2], "order_paid", ago(5), amount_cents=90_000)
    factories.make_fact(people[2], "order_refunded", ago(4), amount_cents=30_000)
    factories.make_fact(people[3], "order_paid", ago(2), amount_cents=5_000)  # After 7 days.
    for one, day in ((people[4], 9), (people[5], 7)):
        factories.make_fact(one, "friend_deleted_by_customer", ago(day), agent_id=agent.pk)
    user = factories.make_user(Role.OPERATOR)
    found = viewers(moment, days=7, user=user)
    assert {name: len(ids) for name, ids in found.people.items()} == {
        "visible": 6, "liked": 1, "commented": 1, "replied": 1, "ordered": 1, "deleted": 1,
    }  # fmt: skip
    assert found.net_cents == 60_000
    client.force_login(user)
    page = client.get(reverse("analytics:results:moment", args=[moment.pk]))
    text = page.content.decode()
    assert "未证明" in text
    for label, number, _share in page.context["viewers"]:
        assert client.get(number.href).context["page"].total == number.value, label
    after = page.context["deletions"][0].number
    assert client.get(after.href).context["page"].total == after.value == 1
    assert reverse("analytics:results:moment", args=[moment.pk]) in (
        client.get(reverse("crm:moments:detail", args=[moment.pk])).content.decode()
    )


@pytest.mark.parametrize(
    "query",
    [
        {}, {"moment": "9" * 30}, {"moment": "1", "what": "visible"}, {"what": "bought"},
        {"agent": "x"}, {"agent": "1", "post": "task-1"},
    ],
)  # fmt: skip
def test_a_number_that_is_not_there_is_refused_in_words(client, query):
    client.force_login(factories.make_user(Role.OPERATOR))
    for figure in ("moment-viewers", "post-deletions", "moment-deletions"):
        response = client.get(reverse("analytics:figures:people", args=[figure]), query)
        assert response.status_code == 422


def test_without_posts_the_page_says_what_to_do(client):
    client.force_login(factories.make_user(Role.OPERATOR))
    assert "两天以后" in client.get(reverse("analytics:results:posts")).content.decode()
