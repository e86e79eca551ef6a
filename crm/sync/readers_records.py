"""Reading what WeCom only records: posts, and its statistics of agents and of groups.

There are no callbacks for these, so nothing is repaired; they are read every night and again by
day, because at night WeCom has not counted yesterday yet.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from crm import wecom
from crm.agents.models import Agent
from crm.groups.models import Group
from crm.moments.listing import keep_listed, mark_gone
from crm.moments.listing import windows as moment_windows
from crm.shared.times import day_start, local_day
from crm.statistics import actions as statistics
from crm.statistics.actions import Told
from crm.statistics.models import AgentDay, Day, OwnerDay
from crm.sync.models import SyncRun
from crm.sync.reading import Outcome, Reader, items_of
from crm.wecom.moment_records import MomentSeen
from crm.wecom.records import BehaviorDay, GroupFigures, Page

# Somebody who left, whom we may not see, or who serves no customers: the others still count.
NOT_COUNTED = {60111, 60011, 84074, 41054}
ROWS_AT_ONCE = 5_000

# Moments


def _moment_parts(_client: wecom.Client, now: datetime) -> list[list[str]]:
    return [[start.isoformat(), end.isoformat()] for start, end in moment_windows(now)]


def _moment_page(client: wecom.Client, part: list[str], _cursor: str) -> Page:
    start, end = map(datetime.fromisoformat, part)
    posts = client.moments(start, end)
    return Page([asdict(post) | {"created_at": post.created_at.isoformat()} for post in posts], "")


def _apply_moments(run: SyncRun, now: datetime) -> Outcome:
    posts = [_post(item) for _asked_at, items in items_of(run) for item in items]
    outcome = Outcome(changed=keep_listed(posts, now=now))
    if run.parts:
        start, end = run.parts[0][0], run.parts[-1][1]
        outcome.ended = mark_gone(
            {post.moment_id for post in posts},
            since=datetime.fromisoformat(start),
            until=datetime.fromisoformat(end),
            now=now,
        )
    return outcome


def _post(item: dict[str, Any]) -> MomentSeen:
    created_at = datetime.fromisoformat(item["created_at"])
    return MomentSeen(**(item | {"created_at": created_at, "image_ids": tuple(item["image_ids"])}))


# Days of agents and of owners

Ask = Callable[[wecom.Client, str, datetime, datetime], list[Any]]
Keep = Callable[[list[Told]], int]


def _day_parts(model: type[Day], userids: Iterable[str], now: datetime) -> list[list[str]]:
    """One agent and at most 30 days each: WeCom adds several agents into one sum."""
    known = dict(Agent.unsafe_all.filter(userid__in=set(userids)).values_list("pk", "userid"))
    first = statistics.days_to_ask(model, known, now)
    return [
        [known[agent_id], start.isoformat(), end.isoformat()]
        for agent_id in sorted(known, key=known.__getitem__)
        for start, end in statistics.windows(first[agent_id], now)
    ]


def _day_page(ask: Ask) -> Callable[[wecom.Client, list[str], str], Page]:
    def page(client: wecom.Client, part: list[str], _cursor: str) -> Page:
        userid, first, last = part
        try:
            days = ask(client, userid, *(day_start(date.fromisoformat(on)) for on in (first, last)))
        except wecom.Refused as refusal:
            if refusal.code not in NOT_COUNTED:
                raise
            return Page([], "", left_out=(userid,))
        return Page([_as_json(userid, day) for day in days], "")

    return page


def _as_json(userid: str, day: BehaviorDay | GroupFigures) -> dict[str, Any]:
    return asdict(day) | {"userid": userid, "day_at": local_day(day.day_at).isoformat()}


def _apply_days(keep: Keep) -> Callable[[SyncRun, datetime], Outcome]:
    def apply(run: SyncRun, now: datetime) -> Outcome:
        agents = dict(Agent.unsafe_all.values_list("userid", "pk"))
        outcome, waiting = Outcome(), []
        for asked_at, items in items_of(run):
            waiting += [_told(item, agents, asked_at) for item in items]
            if len(waiting) > ROWS_AT_ONCE:
                outcome.changed += keep(waiting)
                waiting = []
        outcome.changed += keep(waiting)
        return outcome

    return apply


def _told(item: dict[str, Any], agents: dict[str, int], asked_at: datetime) -> Told:
    day_on = date.fromisoformat(item["day_at"])
    return Told(agents[item["userid"]], day_on, item, asked_at)


def _agent_parts(client: wecom.Client, now: datetime) -> list[list[str]]:
    return _day_parts(AgentDay, client.follow_users(), now)


def _owner_parts(_client: wecom.Client, now: datetime) -> list[list[str]]:
    owners = Group.unsafe_all.exclude(owner=None).values_list("owner__userid", flat=True)
    return _day_parts(OwnerDay, owners, now)


def _ask_agent(client: wecom.Client, userid: str, start: datetime, end: datetime) -> list[Any]:
    return client.behavior_data(userid, start, end)


def _ask_owner(client: wecom.Client, userid: str, start: datetime, end: datetime) -> list[Any]:
    return client.group_days([userid], start, end)


MOMENTS = Reader(_moment_parts, _moment_page, _apply_moments)
AGENT_DAYS = Reader(_agent_parts, _day_page(_ask_agent), _apply_days(statistics.keep_agent_days))
OWNER_DAYS = Reader(_owner_parts, _day_page(_ask_owner), _apply_days(statistics.keep_owner_days))
