"""Posts and statistics as sync objects: in windows that WeCom takes, absent is not zero."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.agents.models import Agent
from crm.callbacks import tasks as callback_tasks
from crm.moments.models import ListedMoment
from crm.shared.times import day_end, day_start, local_day
from crm.statistics.actions import (
    AGENT_FIGURES,
    AGENT_SHARES,
    LONGEST,
    OLDEST,
    Told,
    keep_agent_days,
    windows,
)
from crm.statistics.models import AgentDay, OwnerDay
from crm.sync import actions
from crm.sync.models import SyncObject, SyncRun
from crm.sync.queries import sync_health
from crm.wecom import Client
from tests.crm.wecom_helpers import PEOPLE
from tests.factories import make_agent, make_user

pytestmark = pytest.mark.usefixtures("db")
BEHAVIOR = "externalcontact/get_user_behavior_data"
BY_DAY = "externalcontact/groupchat/statistic_group_by_day"
LIST = "externalcontact/get_moment_list"


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch, wecom_sandbox):
    monkeypatch.setattr(callback_tasks, "_silent_until", float("inf"))


class Clock:
    """Real time, moved on by tests; the sandbox's clock goes along."""

    def __init__(self, sandbox) -> None:
        self.sandbox, self.offset = sandbox, timedelta()

    def __call__(self):
        return timezone.now() + self.offset

    def pass_until(self, day: date, hour: float) -> None:
        """Move to that hour of a local day."""
        wait = day_start(day) + timedelta(hours=hour) - self()
        self.offset += wait
        self.sandbox.control("clock", advance=wait.total_seconds())


@pytest.fixture
def clock(wecom_sandbox) -> Clock:
    clock = Clock(wecom_sandbox)
    clock.pass_until(local_day(clock()) + timedelta(days=1), 14)
    actions.sync_objects(PEOPLE, clock=clock)
    return clock


def sync(clock, name: str) -> SyncRun:
    [run] = actions.sync_objects([name], clock=clock)
    assert run.state == "done", run.error
    return run


def calls(sandbox, method: str) -> int:
    return sandbox.read("state")["calls"].get(method, 0)


# Days of agents


def test_the_days_of_every_agent_are_those_that_wecom_counts(wecom_sandbox, clock):
    run = sync(clock, "agent_days")
    followers = Agent.unsafe_all.filter(contacts__isnull=False).distinct()
    assert set(AgentDay.unsafe_all.values_list("agent_id", flat=True)) >= {a.pk for a in followers}
    agent, yesterday = followers.first(), local_day(clock()) - timedelta(days=1)
    first = yesterday - timedelta(days=20)
    answer = wecom_sandbox.post(
        BEHAVIOR,
        wecom_sandbox.access_token(),
        userid=[agent.userid],
        start_time=int(day_start(first).timestamp()),
        end_time=int(day_start(yesterday).timestamp()),
    )
    told = {
        local_day(timezone.datetime.fromtimestamp(row["stat_time"], tz=clock().tzinfo)): (
            *(row["chat_cnt"], row["message_cnt"], row["new_contact_cnt"]),
            row.get("reply_percentage"),
        )
        for row in answer["behavior_data"]
    }
    stored = AgentDay.unsafe_all.filter(agent=agent, day_on__gte=first)
    assert told == {
        row.day_on: (row.chats, row.messages, row.contacts_added, row.reply_percentage)
        for row in stored
    }
    assert (run.remote_rows, run.local_rows) == (run.rows, AgentDay.unsafe_all.count())
    assert run.remains == []


def test_a_share_that_wecom_leaves_out_is_empty_and_not_zero(wecom_sandbox, clock):
    sync(clock, "agent_days")
    assert AgentDay.unsafe_all.filter(reply_percentage=None).exists()  # Nobody wrote.
    unanswered = AgentDay.unsafe_all.filter(reply_percentage=0)  # Somebody did, in vain.
    assert unanswered.exists()
    assert set(unanswered.values_list("first_reply_minutes", flat=True)) == {None}


def test_each_agent_is_asked_alone_in_spans_of_thirty_days(wecom_sandbox, clock, monkeypatch):
    asked = []
    real = Client.behavior_data

    def watched(self, userid, start, end):
        asked.append((userid, start, end))
        return real(self, userid, start, end)

    monkeypatch.setattr(Client, "behavior_data", watched)
    sync(clock, "agent_days")
    assert max((end - start).days + 1 for _userid, start, end in asked) == 30
    assert min(start for _userid, start, _end in asked) == day_start(local_day(clock()) - OLDEST)
    assert len(set(asked)) == len(asked) == 6 * len({userid for userid, *_span in asked})


def test_the_next_turn_asks_once_for_each_agent(wecom_sandbox, clock):
    run = sync(clock, "agent_days")
    before = calls(wecom_sandbox, BEHAVIOR)
    agents = AgentDay.unsafe_all.values("agent_id").distinct().count()
    again = sync(clock, "agent_days")
    assert calls(wecom_sandbox, BEHAVIOR) - before == agents
    assert (again.changed, again.rows) == (0, 3 * agents)
    assert run.changed == run.rows


def test_zeros_of_the_night_are_asked_again_until_wecom_has_counted(wecom_sandbox, clock):
    sync(clock, "agent_days")
    agent = AgentDay.unsafe_all.filter(chats__gt=0).latest("day_on").agent
    wecom_sandbox.step("add", userid=agent.userid, count=3)
    wecom_sandbox.control("settings", statistics_hour=9)
    tomorrow = local_day(clock()) + timedelta(days=1)
    clock.pass_until(tomorrow, 3.5)
    run = sync(clock, "agent_days")
    night = AgentDay.unsafe_all.get(agent=agent, day_on=tomorrow - timedelta(days=1))
    assert (night.contacts_added, night.is_settled) == (0, False)
    assert {row["reason"] for row in run.remains} == {"not_counted"}
    assert actions.next_due("agent_days", clock()) == run.started_at + actions.SOONER
    clock.pass_until(tomorrow, 9.5)
    sync(clock, "agent_days")
    night.refresh_from_db()
    assert (night.contacts_added, night.is_settled) == (3, True)


def test_a_day_of_rest_is_settled_by_noon(wecom_sandbox, clock):
    tomorrow = local_day(clock()) + timedelta(days=1)
    clock.pass_until(tomorrow, 3.5)
    sync(clock, "agent_days")
    clock.pass_until(tomorrow, 12.5)
    run = sync(clock, "agent_days")
    assert not AgentDay.unsafe_all.filter(is_settled=False).exists()
    assert actions.next_due("agent_days", clock()) == run.started_at + actions.EVERY["agent_days"]


def told(agent: Agent, *, chats: int, asked_at) -> Told:
    figures = dict.fromkeys(AGENT_FIGURES, 0) | dict.fromkeys(AGENT_SHARES)
    return Told(agent.pk, date(2026, 5, 1), figures | {"chats": chats}, asked_at)


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_whatever_the_order_of_answers_the_newest_that_counts_stands(order, chats):
    AgentDay.unsafe_all.all().delete()
    agent = Agent.unsafe_all.first() or make_agent()
    end = day_end(date(2026, 5, 1))
    answers = [
        told(agent, chats=n, asked_at=end + timedelta(hours=4 * place))
        for place, n in enumerate(chats)
    ]
    for place in order:
        keep_agent_days([answers[place]])
    settled = [n for place, n in enumerate(chats) if n or place == 3]
    assert AgentDay.unsafe_all.get().chats == settled[-1]


@given(st.dates(date(2024, 1, 1), date(2027, 12, 31)), st.integers(0, 200))
def test_windows_cover_every_day_once_until_yesterday(today, back):
    now = day_start(today) + timedelta(hours=5)
    first = today - timedelta(days=back)
    spans = windows(first, now)
    days = [
        start + timedelta(days=n) for start, end in spans for n in range((end - start).days + 1)
    ]
    assert days == [first + timedelta(days=n) for n in range(back)]
    assert all(end - start < LONGEST for start, end in spans)


def test_an_agent_whom_wecom_will_not_tell_of_leaves_the_others_counted(wecom_sandbox, clock):
    wecom_sandbox.fault(BEHAVIOR, "errcode", errcode=84074, count=1)
    run = sync(clock, "agent_days")
    assert len(run.left_out) == 1
    assert {row["reason"] for row in run.remains} == {"nobody_to_ask"}
    assert AgentDay.unsafe_all.exists()


@pytest.mark.parametrize("name", ["agent_days", "owner_days", "moments"])
def test_a_turn_that_broke_off_goes_on_with_the_part_that_did_not_come(wecom_sandbox, clock, name):
    method = {"agent_days": BEHAVIOR, "owner_days": BY_DAY, "moments": LIST}[name]
    fault = wecom_sandbox.fault(method, "http_500", skip=3)
    [run] = actions.sync_objects([name], clock=clock)
    assert (run.state, run.part, bool(run.error)) == ("reading", 3, True)
    wecom_sandbox.control("faults", verb="DELETE", id=fault)
    assert sync(clock, name).pk == run.pk


# Days of owners


def test_the_groups_of_every_owner_are_counted_by_day(wecom_sandbox, clock):
    run = sync(clock, "owner_days")
    owners = set(OwnerDay.unsafe_all.values_list("agent__userid", flat=True))
    world = wecom_sandbox.read("world")
    assert owners == {group["owner"] for group in world["groups"]}
    yesterday = local_day(clock()) - timedelta(days=1)
    for owner in owners:
        own = [group for group in world["groups"] if group["owner"] == owner]
        row = OwnerDay.unsafe_all.get(agent__userid=owner, day_on=yesterday)
        assert row.groups == sum(group["dismissed_at"] is None for group in own)
    assert run.remote_rows == run.local_rows == OwnerDay.unsafe_all.count()


def test_what_was_said_at_night_is_zero_first_and_counted_later(wecom_sandbox, clock):
    wecom_sandbox.control("settings", statistics_hour=9)
    tomorrow = local_day(clock()) + timedelta(days=1)
    clock.pass_until(tomorrow, 3.5)
    sync(clock, "owner_days")
    night = OwnerDay.unsafe_all.filter(day_on=tomorrow - timedelta(days=1))
    assert set(night.values_list("messages", "is_settled")) == {(0, False)}
    assert night.filter(groups__gt=0).exists()
    clock.pass_until(tomorrow, 12.5)
    sync(clock, "owner_days")
    assert not night.filter(is_settled=False).exists()
    assert night.filter(messages__gt=0).exists()


# Posts


def test_every_post_is_listed_and_a_deleted_one_is_marked(wecom_sandbox, clock):
    for _ in range(3):
        wecom_sandbox.step("publish_moment", text="早安")
    run = sync(clock, "moments")
    posts = ListedMoment.unsafe_all.standing()
    assert posts.count() == run.remote_rows == run.local_rows
    assert posts.filter(text="早安", is_corporate=False, agent__isnull=False).count() == 3
    ours = ListedMoment.unsafe_all.create(
        moment_id="momGone",
        posted_at=clock() - timedelta(days=2),
        is_corporate=False,
        is_public=True,
        seen_at=clock(),
    )
    again = sync(clock, "moments")
    assert (again.changed, again.ended) == (0, 1)
    ours.refresh_from_db()
    assert ours.gone_at is not None


def test_posts_are_listed_in_windows_that_wecom_takes(wecom_sandbox, clock):
    run = sync(clock, "moments")
    assert len(run.parts) >= 6
    before = calls(wecom_sandbox, LIST)
    clock.pass_until(local_day(clock()) + timedelta(days=2), 12)
    again = sync(clock, "moments")
    assert len(again.parts) <= 4
    assert calls(wecom_sandbox, LIST) > before


# The health page


def test_the_health_page_tells_of_each_object(client, wecom_sandbox, clock):
    for name in ("moments", "agent_days", "owner_days"):
        sync(clock, name)
    health = {one.object: one for one in sync_health(clock()).objects}
    for name in SyncObject.values:
        assert health[name].last_success_at, name
        assert health[name].next_due_at, name
        assert health[name].remote == health[name].local, name
    client.force_login(make_user("operator"))
    page = client.get(reverse("crm:sync:health")).content.decode()
    for label in ("朋友圈", "联系客户统计", "群聊统计"):
        assert label in page


def test_days_are_seen_within_the_scope_of_their_agent(wecom_sandbox, clock):
    sync(clock, "agent_days")
    agent = AgentDay.unsafe_all.first().agent
    own = AgentDay.objects.for_user(make_user("agent", agent=agent))
    assert set(own.values_list("agent_id", flat=True)) == {agent.pk}
    assert not AgentDay.objects.for_user(make_user("agent", agent=make_agent())).exists()
