"""The world on its first day: organisation, tags and groups; `history` adds 90 days of life.

Everything is drawn from one seed, relative to the moment of generation, so the same seed gives the
same people with the same stories.
"""

import json
import sqlite3
from dataclasses import dataclass, field

from . import export, history, names, talk
from .clock import DAY, day_start
from .dice import Dice
from .store import Store


@dataclass(frozen=True)
class Plan:
    """How large a world to make."""

    seed: int = 7
    customers: int = 8000
    agents: int = 60
    groups: int = 150
    days: int = 90
    empty: bool = False
    agreeing: float = 0.0  # Share of customers who have agreed to the chat archive.


@dataclass(frozen=True)
class Member:
    """A member of staff and the habits that make agents differ."""

    userid: str
    name: str
    team: int
    is_leader: bool
    leader: str
    reply_minutes: float
    skill: float
    pushy: float
    diligence: float


@dataclass
class Organisation:
    """What history needs to know of the company."""

    members: list[Member]
    teams: dict[int, list[Member]]
    tags: dict[str, dict[str, str]] = field(default_factory=dict)  # Group name → tag → id.


def generate(plan: Plan, *, epoch: float, db: sqlite3.Connection, store: Store) -> None:
    """Fill an empty store; called inside a transaction."""
    dice = Dice(plan.seed)
    born = day_start(epoch) - plan.days * DAY
    organisation = _organisation(plan, dice)
    _write_organisation(db, organisation, plan, dice)
    _write_tags(db, organisation, dice, born)
    if not plan.empty:
        past = history.tell(plan, organisation, dice, epoch=epoch)
        history.write(db, past)
        talk.write(db, past, Dice(f"{plan.seed}/talk"))
        export.write(store.files, past, dice)
    store.put("epoch", epoch)
    store.put("seed", plan.seed)


def _organisation(plan: Plan, dice: Dice) -> Organisation:
    team_ids = [team for _, team, *_ in _departments(plan) if team >= 10]
    people = names.staff(plan.agents)
    members: list[Member] = []
    leaders: dict[int, str] = {}
    for index, (userid, name) in enumerate(people):
        team = team_ids[index % len(team_ids)]
        leads = team not in leaders
        leaders.setdefault(team, userid)
        members.append(
            Member(
                userid=userid,
                name=name,
                team=team,
                is_leader=leads,
                leader="" if leads else leaders[team],
                reply_minutes=round(min(120.0, dice.lognormvariate(1.9, 0.9)), 1),
                skill=round(dice.uniform(0.55, 1.45), 2),
                pushy=round(dice.uniform(0.5, 1.2) + (1.2 if dice.happens(0.15) else 0.0), 2),
                diligence=round(dice.choice([0.95, 0.9, 0.85, 0.7, 0.5, 0.25]), 2),
            )
        )
    teams = {team: [m for m in members if m.team == team] for team in team_ids}
    return Organisation(members, teams)


def _departments(plan: Plan) -> list[tuple[str, int, str, int, int]]:
    """(name, id, English name, parent, order): the company, its departments, their teams."""
    wanted = max(1, min(8, plan.agents // 3))
    found = [("常客旅行", 1, "Changke Travel", 0, 100)]
    for index, (name, english, teams) in enumerate(names.DEPARTMENTS, start=2):
        if wanted <= 0:
            break
        found.append((name, index, english, 1, 100 - index))
        for position, (team, team_english) in enumerate(teams[:wanted], start=1):
            found.append((team, index * 10 + position, team_english, index, 100 - position))
        wanted -= len(teams)
    return found


def _write_organisation(
    db: sqlite3.Connection, organisation: Organisation, plan: Plan, dice: Dice
) -> None:
    db.executemany(
        "insert into departments (name, id, name_en, parentid, ord) values (?, ?, ?, ?, ?)",
        _departments(plan),
    )
    add_member = (
        "insert into members (userid, name, gender, position, mobile, department, is_leader,"
        " direct_leader, open_userid, visible, follows, reply_minutes, skill, pushy, diligence)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    for member in organisation.members:
        db.execute(
            add_member,
            (
                *(member.userid, member.name, dice.choice("12")),
                *("组长" if member.is_leader else "旅行顾问", names.mobile(dice), member.team),
                *(member.is_leader, member.leader, dice.key("wo"), 1, 1),
                *(member.reply_minutes, member.skill, member.pushy, member.diligence),
            ),
        )
    # One colleague outside the app's visible range: asking about him gives 60011.
    db.execute(
        add_member,
        ("finance.office", "财务室", "0", "财务", "", 1, 0, "", dice.key("wo"), 0, 0, 10, 1, 1, 1),
    )


def _write_tags(
    db: sqlite3.Connection, organisation: Organisation, dice: Dice, created_at: int
) -> None:
    """Tags of the admin console: they belong to no app."""
    for order, (group, tags) in enumerate(names.TAG_GROUPS.items()):
        group_id = dice.key("et")
        db.execute(
            "insert into tag_groups (group_id, name, create_time, ord) values (?, ?, ?, ?)",
            (group_id, group, created_at, 100 - order),
        )
        organisation.tags[group] = {tag: dice.key("et") for tag in tags}
        db.executemany(
            "insert into tags (tag_id, group_id, name, create_time, ord) values (?, ?, ?, ?, ?)",
            [
                (tag_id, group_id, tag, created_at, 100 - position)
                for position, (tag, tag_id) in enumerate(organisation.tags[group].items())
            ],
        )


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """The size of the world as it is now."""
    row = db.execute(
        "select (select count(*) from members where visible) as members,"
        " (select count(distinct external_userid) from listed) as customers,"
        " (select count(*) from listed) as relations,"
        " (select count(*) from relations where lost_by <> '') as lost_relations,"
        " (select count(*) from chats where dismissed_at is null) as groups,"
        " (select count(*) from chat_members where type = 2) as group_customers,"
        " (select count(*) from tags where not deleted) as tags,"
        " (select count(*) from moments) as moments,"
        " (select count(*) from ledger) as effects"
    ).fetchone()
    return dict(row)


def snapshot(db: sqlite3.Connection) -> dict:
    """The whole present state, for tests that compare the product with it."""
    relations = db.execute(
        "select userid, external_userid, createtime, add_way, state, remark, half, lost_by"
        " from relations order by userid, external_userid"
    )
    marks = db.execute("select * from relation_tags order by userid, external_userid, tag_id")
    chats = db.execute("select chat_id, name, owner, version, dismissed_at from chats")
    inside = db.execute("select chat_id, member, type, join_time from chat_members")
    return {
        "relations": [dict(row) for row in relations],
        "relation_tags": [list(row) for row in marks],
        "groups": [dict(row) for row in chats],
        "group_members": [list(row) for row in inside],
        "tags": [tuple(row) for row in db.execute("select tag_id, name, deleted from tags")],
        "lost_relations_listed": json.loads(
            db.execute("select value from meta where name='lost_relations_listed'").fetchone()[0]
        ),
    }
