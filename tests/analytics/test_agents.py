"""Figures of agents: counts checked by hand, replies against a slow and obvious reckoning."""

import random
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from statistics import median

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.dashboards.agents import (
    RANGES,
    Range,
    agent_days,
    agent_figures,
    ranked,
    team_medians,
)
from analytics.replies.agents import keep_counts
from analytics.standing.actions import merge_cubes
from crm.agents.access import Role
from crm.customers.models import Contact
from crm.moments.models import Moment, MomentTask
from crm.shared.times import day_start, local_day
from crm.timeline.models import Fact
from tests.factories import make_agent, make_department, make_fact, make_friend, make_user

LIST = "analytics:dashboards:agents"


@pytest.fixture
def days() -> Range:
    return Range.ending_yesterday(30, now=timezone.now())


@pytest.fixture
def agent(db):
    return make_agent(name="王芳")


def inside(days: Range, hours: float) -> datetime:
    return days.since + timedelta(hours=hours)


def say(friend, agent, who: str, when: datetime) -> None:
    kind = {"customer": "message_received", "agent": "message_sent"}[who]
    make_fact(friend, kind, when, agent_id=agent.pk)


def only(agent, days):
    [figures] = agent_figures([agent], days)
    return figures


def card(agent) -> str:
    return reverse("analytics:dashboards:agent", args=[agent.pk])


# ── who may see what ──────────────────────────────────────────


def test_a_manager_sees_the_agents_of_the_own_departments(client, db):
    root = make_department()
    mine, other = make_department(parent=root), make_department(parent=root)
    make_agent(name="本部", department=mine)
    make_agent(name="外部", department=other)
    client.force_login(make_user(Role.MANAGER, departments=[mine]))
    page = client.get(reverse(LIST)).context["page"]
    assert [row.figures.name for row in page] == ["本部"]


def test_a_foreign_card_is_absent(client, agent):
    client.force_login(
        make_user(Role.LEAD, departments=[make_department(parent=make_department())])
    )
    assert client.get(card(agent)).status_code == 404


def test_an_agent_opens_the_own_card_and_no_other(client, agent):
    client.force_login(make_user(Role.AGENT, agent=agent))
    assert client.get(card(agent)).status_code == 200
    assert client.get(card(make_agent())).status_code == 404
    assert client.get(reverse(LIST)).status_code == 403


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.REVIEWER, Role.ADMIN, Role.SERVICE])
def test_other_roles_are_not_shown_the_figures_of_agents(client, agent, role):
    client.force_login(make_user(role))
    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(card(agent)).status_code == 403


def test_strangers_are_sent_to_sign_in(client, agent):
    for url in (reverse(LIST), card(agent)):
        assert "/accounts/login/" in client.get(url)["Location"]


# ── opening ──


def test_every_number_of_an_agent_opens_into_as_many_lines(client, db, days):
    root = make_department()
    team, other = make_department(parent=root), make_department(parent=root)
    agent, stranger = make_agent(department=team), make_agent(department=other)
    mine, theirs = make_friend(agent), make_friend(stranger)
    for friend, hours in ((mine, 1), (mine, 2), (theirs, 3)):
        make_fact(friend, "friend_added", inside(days, hours), agent_id=agent.pk)
        make_fact(friend, "message_received", inside(days, hours + 4), agent_id=agent.pk)
    make_fact(mine, "message_sent", inside(days, 5.5), agent_id=agent.pk)
    client.force_login(make_user(Role.LEAD, departments=[team]))
    [row] = client.get(reverse(LIST)).context["page"]
    assert (row.numbers["added"].value, row.numbers["turns"].value) == (3, 3)
    assert row.numbers["unanswered"].value == 2
    for number in row.numbers.values():
        page = client.get(number.href)
        assert page.context["opened"].count == number.value, number
        assert len(page.context["page"].rows) == number.value
    opened = client.get(row.numbers["added"].href)
    # Who is somebody else's customer is counted, and neither named nor kept in an audience.
    assert sorted(line.customer_id or 0 for line in opened.context["page"].rows) == [
        0, mine.pk, mine.pk,
    ]  # fmt: skip
    assert theirs.name not in opened.content.decode()
    assert list(opened.context["opened"].ids) == [mine.pk]


@pytest.mark.parametrize(
    "wrong", [{"agent": "0"}, {"what": "all"}, {"from": "soon"}, {"to": "2020-01-01"}]
)
def test_numbers_of_agents_that_there_are_not_are_refused(client, db, wrong):
    agent = make_agent(department=make_department())
    client.force_login(make_user(Role.MANAGER, departments=[agent.department]))
    asked = {"agent": agent.pk, "what": "added", "from": "2026-11-01", "to": "2026-11-02"}
    url = reverse("analytics:figures:people", args=["agent-facts"])
    assert client.get(url, asked).status_code == 200
    assert client.get(url, asked | wrong).status_code == 422
    client.force_login(make_user(Role.OPERATOR))
    assert client.get(url, asked).status_code == 422


# ── counts ────────────────────────────────────────────────────


def test_counts_hold_whole_local_days_without_today(agent, days):
    friend = make_friend(agent)
    for when in (days.since - timedelta(seconds=1), days.since, days.until - timedelta(seconds=1)):
        make_fact(friend, "friend_added", when, agent_id=agent.pk)
    make_fact(friend, "friend_added", days.until, agent_id=agent.pk)
    assert only(agent, days).added == 2
    assert sum(day.added for day in agent_days(agent, days)) == 2


def test_deletions_are_told_apart_by_who_did_it(agent, days):
    friend = make_friend(agent)
    make_fact(friend, "friend_deleted_by_customer", inside(days, 5), agent_id=agent.pk)
    make_fact(friend, "friend_deleted_by_customer", inside(days, 50), agent_id=agent.pk)
    make_fact(friend, "friend_deleted_by_agent", inside(days, 6), agent_id=agent.pk)
    figures = only(agent, days)
    assert (figures.lost, figures.dropped) == (2, 1)


def test_posts_not_yet_published_are_counted(agent, days):
    moment = Moment.unsafe_all.create(
        title="x", publish_at=timezone.now(), content_hash="x", state=Moment.State.PUBLISHING
    )
    MomentTask.unsafe_all.create(moment=moment, agent=agent)
    assert only(agent, days).outstanding == 1


def test_an_agent_without_anything_has_zeros_and_no_wait(agent, days):
    figures = only(agent, days)
    assert (figures.friends, figures.added, figures.turns) == (0, 0, 0)
    assert figures.median_wait is None


# ── first replies ─────────────────────────────────────────────


def test_the_wait_runs_from_the_first_message_of_a_turn(agent, days):
    friend = make_friend(agent)
    say(friend, agent, "customer", inside(days, 1))
    say(friend, agent, "customer", inside(days, 2))
    say(friend, agent, "agent", inside(days, 3))
    say(friend, agent, "agent", inside(days, 4))
    figures = only(agent, days)
    assert (figures.turns, figures.answered) == (1, 1)
    assert figures.median_wait == 2 * 3600


def test_an_answer_to_one_customer_answers_no_other(agent, days):
    first, second = make_friend(agent), make_friend(agent)
    say(first, agent, "customer", inside(days, 1))
    say(second, agent, "agent", inside(days, 2))
    figures = only(agent, days)
    assert (figures.turns, figures.answered, figures.unanswered) == (1, 0, 1)


def test_an_answer_after_seven_days_is_none(agent, days):
    friend = make_friend(agent)
    say(friend, agent, "customer", inside(days, 1))
    say(friend, agent, "agent", inside(days, 1 + 7 * 24 + 0.1))
    assert only(agent, days).answered == 0


def test_a_turn_of_the_last_day_may_be_answered_after_the_range(agent, days):
    friend = make_friend(agent)
    say(friend, agent, "customer", days.until - timedelta(minutes=5))
    say(friend, agent, "agent", days.until + timedelta(minutes=5))
    assert only(agent, days).median_wait == 600


def test_a_turn_that_began_before_the_range_is_not_counted_in_it(agent, days):
    friend = make_friend(agent)
    say(friend, agent, "customer", days.since - timedelta(minutes=5))
    say(friend, agent, "customer", days.since + timedelta(minutes=5))
    assert only(agent, days).turns == 0


def reckoned(log: list[tuple[int, str, datetime]], days: Range) -> tuple[int, list[float]]:
    """Turns and waits of one agent, read line by line."""
    week, turns, waits = timedelta(days=7), 0, []
    for customer in {line[0] for line in log}:
        said = sorted((when, who) for c, who, when in log if c == customer)
        for place, (when, who) in enumerate(said):
            before = said[place - 1] if place else None
            begins = before is None or before[1] == "agent" or when - before[0] > week
            if who != "customer" or not begins or not days.since <= when < days.until:
                continue
            turns += 1
            answers = [w for w, other in said[place + 1 :] if other == "agent"]
            if answers and answers[0] - when <= week:
                waits.append((answers[0] - when).total_seconds())
    return turns, waits


@pytest.mark.parametrize("seed", range(4))
def test_replies_agree_with_a_slow_reckoning(agent, days, seed):
    dice = random.Random(seed)
    friends = [make_friend(agent) for _n in range(4)]
    log = []
    for second in dice.sample(range(-10 * 86_400, 38 * 86_400), 120):
        friend, who = dice.choice(friends), dice.choice(["customer", "customer", "agent"])
        when = days.since + timedelta(seconds=second)
        log.append((friend.pk, who, when))
        say(friend, agent, who, when)
    turns, waits = reckoned(log, days)
    figures = only(agent, days)
    assert (figures.turns, figures.answered) == (turns, len(waits))
    assert figures.median_wait == pytest.approx(median(waits))


# ── the pages ─────────────────────────────────────────────────


def make_team(size: int) -> list:
    team = make_department()
    return [make_agent(department=team, name=f"顾问{n}") for n in range(size)]


def test_fewer_than_three_people_are_not_ranked(client, db, days):
    rows = agent_figures(make_team(2), days)
    assert team_medians(rows) is None
    assert ranked(rows, "-added") == rows
    client.force_login(make_user(Role.MANAGER, departments=[make_department()]))
    assert "不足 3 人" in client.get(reverse(LIST)).content.decode()


def test_the_team_row_holds_medians(db, days):
    team = make_team(3)
    for count, agent in zip((1, 2, 9), team, strict=True):
        for _n in range(count):
            make_fact(make_friend(agent), "friend_added", inside(days, 3), agent_id=agent.pk)
    rows = agent_figures(team, days)
    assert team_medians(rows).added == 2
    assert [row.added for row in ranked(rows, "-added")] == [9, 2, 1]


def test_waits_of_few_turns_are_marked_and_not_ranked(db, days):
    team = make_team(3)
    for agent in team:
        friend = make_friend(agent)
        say(friend, agent, "customer", inside(days, 1))
        say(friend, agent, "agent", inside(days, 2))
    rows = agent_figures(team, days)
    assert all(row.is_small for row in rows)
    assert ranked(rows, "median_wait") == rows


def test_every_number_opens_its_people(client, agent, days):
    agent.department = make_department()
    agent.save()
    client.force_login(make_user(Role.MANAGER, departments=[agent.department]))
    for kind in ("friend_added", "friend_deleted_by_customer", "message_received"):
        for _n in range(2):
            make_fact(make_friend(agent), kind, inside(days, 3), agent_id=agent.pk)
    for tile in client.get(card(agent)).context["tiles"]:
        if tile.href and tile.label != "未回复轮次":
            assert client.get(tile.href).context["page"].total == int(tile.value), tile.label


def test_the_card_compares_with_the_days_before(client, agent, days):
    make_fact(make_friend(agent), "friend_added", days.since - timedelta(days=3), agent_id=agent.pk)
    for _n in range(3):
        make_fact(make_friend(agent), "friend_added", inside(days, 2), agent_id=agent.pk)
    client.force_login(make_user(Role.AGENT, agent=agent))
    added = next(t for t in client.get(card(agent)).context["tiles"] if t.label == "加微")
    assert (added.value, added.change, added.direction, added.better) == ("3", "2", "up", "yes")


def test_the_range_is_picked_in_the_address_and_rubbish_is_thirty_days(client, agent):
    client.force_login(make_user(Role.AGENT, agent=agent))
    for asked, length in (("7", 7), ("90", 90), ("5000", 30), ("x", 30)):
        assert client.get(card(agent), {"days": asked}).context["days"].length == length


def test_the_table_costs_the_same_for_any_number_of_agents(
    client, db, days, django_assert_max_num_queries
):
    team = make_team(12)
    for agent in team:
        make_fact(make_friend(agent), "friend_added", inside(days, 2), agent_id=agent.pk)
    client.force_login(make_user(Role.MANAGER, departments=[team[0].department]))
    with django_assert_max_num_queries(12):
        client.get(reverse(LIST))


def test_days_are_days_of_the_corporation(agent, days):
    friend, day = make_friend(agent), local_day(timezone.now()) - timedelta(days=2)
    make_fact(friend, "message_sent", day_start(day), agent_id=agent.pk)
    make_fact(friend, "message_sent", day_start(day) - timedelta(seconds=1), agent_id=agent.pk)
    sent = {one.on: one.sent for one in agent_days(agent, days)}
    assert (sent[day], sent[day - timedelta(days=1)]) == (1, 1)


@pytest.mark.parametrize("seed", range(2))
def test_counts_from_the_cube_are_those_of_the_facts(agent, days, seed):
    chance = random.Random(seed)
    friends = [make_friend(agent) for _n in range(3)]
    kinds = (
        "friend_added",
        "friend_deleted_by_customer",
        "friend_deleted_by_agent",
        "message_received",
        "message_sent",
    )
    for _n in range(40):
        when = inside(days, chance.uniform(-48, 24 * days.length + 24))
        make_fact(chance.choice(friends), chance.choice(kinds), when, agent_id=agent.pk)
    Fact.unsafe_all.filter(customer=friends[0], kind__code="message_sent").delete()
    facts = Fact.unsafe_all.filter(agent=agent, at__gte=days.since, at__lt=days.until)
    counted = [facts.filter(kind__code=kind).count() for kind in kinds]
    found = only(agent, days)
    assert [found.added, found.lost, found.dropped, found.received, found.sent] == counted
    daily = agent_days(agent, days)
    assert sum(day.received for day in daily) == counted[3]
    assert sum(day.deleted for day in daily) == counted[1] + counted[2]


# ── counted before they are asked ─────────────────────────────


def test_what_was_counted_before_equals_what_is_counted_now_and_says_when(client, agent):
    now = timezone.now()
    days = Range.ending_yesterday(30, now=now)
    friends = [make_friend(agent) for _n in range(3)]
    for number, friend in enumerate(friends):
        say(friend, agent, "customer", inside(days, 10 * number))
        say(friend, agent, "agent", inside(days, 10 * number + number + 0.5))
    say(friends[0], agent, "customer", inside(days, 50))
    idle = make_agent()
    live = {row.agent_id: row for row in agent_figures([agent, idle], days)}
    assert keep_counts(now=now) == keep_counts(now=now) == 2 * len(RANGES)
    kept = {row.agent_id: row for row in agent_figures([agent, idle], days)}
    for pk, row in kept.items():
        assert row.replies_at == now
        assert replace(row, replies_at=None) == live[pk]
    assert kept[agent.pk].turns == 4
    client.force_login(make_user(Role.MANAGER, departments=[make_department()]))
    assert "首次回复统计于" in client.get(reverse(LIST)).content.decode()
    say(friends[0], agent, "agent", inside(days, 51))
    assert only(agent, days).answered == 3
    keep_counts(now=timezone.now())
    assert only(agent, days).answered == 4


def test_yesterdays_counts_are_not_shown_for_today(agent):
    now = timezone.now()
    keep_counts(now=now - timedelta(days=1))
    assert only(agent, Range.ending_yesterday(30, now=now)).replies_at is None


def test_what_a_machine_sent_answers_nobody(agent):
    days = Range.ending_yesterday(7, now=timezone.now())
    friend = make_friend(agent)
    say(friend, agent, "customer", inside(days, 1))
    make_fact(
        friend, "message_sent", inside(days, 1.1), agent_id=agent.pk, properties={"machine": True}
    )
    assert (only(agent, days).turns, only(agent, days).answered) == (1, 0)
    say(friend, agent, "agent", inside(days, 3))
    assert only(agent, days).median_wait == 2 * 3600


# ── weeks, days and what is not yet merged ────────────────────

_WORDS = {"friend_added": "added", "message_received": "received", "message_sent": "sent"}


@pytest.mark.parametrize("seed", range(4))
def test_any_range_of_days_adds_up_to_its_facts_whatever_is_merged(db, seed):
    dice = random.Random(seed)
    agent, start = make_agent(), date(2026, 9, 1)
    friend, told = make_friend(agent), []
    for n in range(60):
        on, kind = start + timedelta(days=dice.randrange(45)), dice.choice(list(_WORDS))
        make_fact(friend, kind, day_start(on) + timedelta(minutes=n), agent_id=agent.pk)
        told.append((on, _WORDS[kind]))
        if dice.random() < 0.1:
            merge_cubes()
    for first in range(0, 45, 2):
        for length in (1, 3, 6, 7, 8, 13, 20, 31):
            days = Range(start + timedelta(days=first), start + timedelta(days=first + length - 1))
            figures = only(agent, days)
            within = Counter(name for on, name in told if days.first <= on <= days.last)
            assert {name: getattr(figures, name) for name in _WORDS.values()} == {
                name: within[name] for name in _WORDS.values()
            }


def test_friends_of_agents_are_counted_with_every_change_of_a_relation(db):
    dice, agents = random.Random(5), [make_agent(), make_agent()]
    days = Range.ending_yesterday(7, now=timezone.now())
    for _n in range(60):
        contacts = Contact.unsafe_all.order_by("?")
        deed = dice.choice(["add", "add", "end", "return", "move", "forget", "merge"])
        if deed == "add":
            make_friend(dice.choice(agents))
        elif deed == "merge":
            merge_cubes()
        elif some := [contact.pk for contact in contacts[: dice.randrange(3)]]:
            chosen = Contact.unsafe_all.filter(pk__in=some)
            if deed == "end":
                chosen.update(status="deleted_by_customer", ended_at=timezone.now())
            elif deed == "return":
                chosen.update(status="active", ended_at=None)
            elif deed == "move":
                chosen.update(agent=dice.choice(agents))
            else:
                chosen.delete()
        figures = {row.agent_id: row.friends for row in agent_figures(agents, days)}
        assert figures == {
            agent.pk: Contact.unsafe_all.current().filter(agent=agent).count() for agent in agents
        }


def test_a_long_table_is_ranked_whole_and_shown_in_pages(client, db):
    company = make_department()
    manager = make_user(Role.MANAGER, departments=[company])
    agents = [make_agent(department=company) for _n in range(103)]
    for agent in agents[:2]:
        make_friend(agent)
    make_friend(agents[1])
    client.force_login(manager)
    ranks, address = [], f"{reverse(LIST)}?sort=-friends"
    while address:
        page = client.get(address).context_data["page"]
        ranks += [row.figures.agent_id for row in page]
        address = f"{reverse(LIST)}?sort=-friends&after={page.after}" if page.after else ""
    assert ranks[:2] == [agents[1].pk, agents[0].pk]
    assert sorted(ranks) == sorted(agent.pk for agent in agents)
    back = client.get(f"{reverse(LIST)}?sort=-friends&before={page.before}").context_data["page"]
    assert (len(back), back.before, back.total) == (100, "", 103)
    for forged in ("-1", "99999", "x", "9" * 40):
        assert client.get(reverse(LIST), {"after": forged}).context_data["page"].before == ""
