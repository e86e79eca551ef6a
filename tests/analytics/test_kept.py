"""People behind an answer that was kept: the same people, for the same viewer, for a while."""

import os
import time
from itertools import product

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from analytics.events import kept
from analytics.events.kept import Keeper, kept_answer, make_room
from analytics.funnels.engine import answer, people, people_kept
from analytics.funnels.parsing import question_from
from analytics.funnels.question import STATES
from crm.agents.access import Role
from tests import factories
from tests.analytics.test_questions import events, table

STEPS = "friend_added,group_joined"


@pytest.fixture(autouse=True)
def _own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


def keep(question, source, **viewer):
    """The kept people of an answer."""
    viewer = {"viewer": 7, "scope": "all"} | viewer
    found = answer(question, source, keeper=Keeper(**viewer))
    return found, kept_answer(found.token, question=question.as_json(), **viewer)


@given(
    logs=st.lists(st.lists(events, max_size=7), min_size=1, max_size=9),
    order=st.sampled_from(["ordered", "any", "strict"]),
    window=st.integers(1, 9),
)
def test_every_figure_lists_the_people_that_folding_again_finds(logs, order, window):
    source = table(logs)
    values = {"steps": "A,B", "window": window, "order": order, "breakdown": "property:city"}
    question = question_from(values)
    found, held = keep(question, source)
    cells = [None, *({"property:city": cell.values[0].key} for cell in found.cells)]
    for step, state, cell in product((1, 2), STATES, cells):
        figure = {"step": step, "state": state, "cell": cell}
        ids = people_kept(held, question, **figure)
        assert list(ids) == people(question, source, **figure).tolist()
        assert len(ids) == len(list(ids))
    assert [len(people_kept(held, question, step=k, state="reached")) for k in (1, 2)] == [
        step.reached for step in found.steps
    ]


def test_an_answer_is_its_viewers_its_questions_and_its_scopes(db):
    question = question_from({"steps": "A,B", "window": 5})
    found, held = keep(question, table([[(1, "A", "")]]))
    asked = {"viewer": 7, "scope": "all", "question": question.as_json()}
    assert list(people_kept(held, question, step=1, state="reached")) == [1]
    assert kept_answer(found.token, **asked)
    wider = question_from({"steps": "A,B", "window": 6})
    for other in ({"viewer": 8}, {"scope": "team"}, {"question": wider.as_json()}):
        assert kept_answer(found.token, **(asked | other)) is None
    for token in ("", "../../CURRENT", "0" * 24, found.token[:-1]):
        assert kept_answer(token, **asked) is None
    late = time.time() + kept.KEPT_SECONDS + 1
    assert kept_answer(found.token, **asked, now=late) is None


def test_the_old_and_what_finds_no_room_are_deleted_oldest_first(settings, monkeypatch):
    question, source = question_from({"steps": "A", "window": 5}), table([[(1, "A", "")]])
    root = settings.COLUMNS_DIR / "answers"
    tokens = []
    for age in (kept.KEPT_SECONDS + 60, 300, 200, 100):
        token = keep(question, source)[0].token
        written = time.time() - age
        os.utime(root / token, (written, written))
        tokens.append(token)
    make_room(root)
    assert {path.name for path in root.iterdir()} == set(tokens[1:])
    each = sum(file.stat().st_size for file in (root / tokens[1]).iterdir())
    monkeypatch.setattr(kept, "ROOM_BYTES", 2 * each)
    make_room(root)
    assert {path.name for path in root.iterdir()} == set(tokens[2:])


def test_a_click_lists_the_people_of_the_number_that_was_seen(client, db):
    first, second = factories.make_customer(), factories.make_customer()
    factories.make_fact(first, "friend_added", 0)
    client.force_login(factories.make_user(Role.OPERATOR))
    query = {"steps": STEPS, "window": "10d"}
    page = client.get(reverse("analytics:funnels:funnel"), query)
    link = page.context["rows"][0].reached.href
    factories.make_fact(second, "friend_added", 1)

    def listed(href: str) -> list[int]:
        return [row.id for row in client.get(href).context["page"].rows]

    assert listed(link) == [first.pk]
    client.force_login(factories.make_user(Role.OPERATOR))
    assert listed(link) == [first.pk, second.pk]
    again = client.get(reverse("analytics:funnels:funnel"), query)
    assert again.context["rows"][0].reached.value == 2


def test_a_lead_whose_team_changed_is_shown_the_team_of_now(client, db):
    company = factories.make_department()
    ours, theirs = (factories.make_department(parent=company) for _n in range(2))
    people = []
    for team in (ours, theirs):
        agent = factories.make_agent(department=team)
        people.append(factories.make_friend(agent))
        factories.make_fact(people[-1], "friend_added", 0, agent_id=agent.pk)
    lead = factories.make_user(Role.LEAD, departments=[ours])
    client.force_login(lead)
    page = client.get(reverse("analytics:funnels:funnel"), {"steps": STEPS, "window": "10d"})
    lead.departments.set([theirs])
    rows = client.get(page.context["rows"][0].reached.href).context["page"].rows
    assert [row.id for row in rows] == [people[1].pk]
