"""The builder and its pages: what stands in the form is what is counted, saved and frozen."""

import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from analytics.segments.index.building import refresh
from analytics.segments.models import Segment
from analytics.segments.parsing import rule_from
from analytics.segments.queries import answer
from crm.agents.access import Role
from crm.audiences.models import Audience
from tests import factories
from tests.analytics.segment_world import NOW, World

pytestmark = pytest.mark.django_db


class Fields(HTMLParser):
    """The successful fields of the builder's form, as a browser would send them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self._select = None
        self._multiple = False
        self._first = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "input" and "name" in given:
            if given.get("type") == "checkbox" and "checked" not in given:
                return
            self.found.setdefault(given["name"], []).append(given.get("value", ""))
        if tag == "select":
            self._select, self._multiple, self._first = given["name"], "multiple" in given, None
        if tag == "option" and self._select:
            if self._first is None and not self._multiple:
                self._first = given["value"]
            if "selected" in given:
                self.found.setdefault(self._select, []).append(given["value"])

    def handle_endtag(self, tag):
        if tag == "select":
            if not self._multiple and self._select not in self.found:
                self.found[self._select] = [self._first]
            self._select = None


def form(html: str) -> dict[str, list[str]]:
    return Fields(html).found


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def press(client, fields, do, **changes):
    """Press a button of the builder; returns the fields of the page that comes."""
    page = client.post("/segments/add/", fields | changes | {"do": do})
    assert page.status_code == 200
    return form(page.content.decode())


def test_a_segment_is_put_together_saved_and_frozen_without_json(client, operator):
    world = World(seed=3, people=30)
    refresh(now=NOW)
    fields = form(client.get("/segments/add/").content.decode())
    fields = press(client, fields, "remove:n.0")
    fields = press(client, fields, "add:n", **{"n.new": "field:orders"})
    fields = press(client, fields, "add:n", **{"n.new": "any", "n.0.from": "1"})
    fields = press(client, fields, "add:n.1", **{"n.1.new": "tags"})
    fields |= {"n.1.0.ids": [str(tag) for tag in world.tags[:3]], "name": ["买过的"]}
    size = client.post(reverse("analytics:segments:size"), fields).content.decode()
    shown = int(re.search(r'data-figure="(\d+)"', size)[1])
    saved = client.post("/segments/add/", fields)
    segment = Segment.unsafe_all.get(name="买过的")
    assert segment.rule == {
        "all": [
            {"field": "orders", "from": 1},
            {"any": [{"tags": "any", "ids": world.tags[:3]}]},
        ]
    }
    page = client.get(saved.url).content.decode()
    whole = re.search(rf'data-figure="(\d+)" href="[^"]*\?segment={segment.pk}"', page)
    assert int(whole[1]) == shown > 0
    of_agents = re.findall(r'data-figure="(\d+)" href="([^"]*&amp;agent=\d+)"', page)
    assert of_agents
    for count, href in of_agents:
        listed = client.get(unescape(href)).content.decode()
        assert f'data-count="{count}"' in listed
    unknown = {"segment": segment.pk, "agent": 0}
    people = reverse("analytics:figures:people", args=["segment"])
    assert client.get(people, unknown).status_code == 422
    client.post(reverse("analytics:segments:freeze", args=[segment.pk]), {"name": "名单"})
    audience = Audience.unsafe_all.get(name="名单")
    assert audience.customer_count == shown
    assert audience.question["version"] == 1
    listing = client.get(
        reverse("analytics:figures:people", args=["segment"]), {"segment": segment.pk}
    )
    assert f'data-count="{shown}"' in listing.content.decode()


def test_every_kind_of_rule_comes_back_from_the_form_as_it_was(client, operator):
    """The same people: the form may write two limits as two conditions."""
    world = World(seed=5, people=25)
    refresh(now=NOW)
    for number in range(40):
        rule = world.rule()
        body = rule if {"all", "any", "none"} & set(rule) else {"all": [rule]}
        before = list(answer(rule_from(body), user=None, now=NOW).bits)
        segment = Segment.unsafe_all.create(name=f"{number}", rule=body, owner=operator)
        url = reverse("analytics:segments:edit", args=[segment.pk])
        assert client.post(url, form(client.get(url).content.decode())).status_code == 302
        segment.refresh_from_db()
        assert list(answer(rule_from(segment.rule), user=None, now=NOW).bits) == before


def test_an_edit_keeps_what_can_no_longer_be_chosen(client, operator):
    tag = factories.make_tag(is_deleted=True)
    group = factories.make_group(dismissed_at=NOW)
    body = {"all": [{"tags": "any", "ids": [tag.pk]}, {"group": [group.pk]}]}
    segment = Segment.unsafe_all.create(name="一", rule=body, owner=operator)
    url = reverse("analytics:segments:edit", args=[segment.pk])
    assert client.post(url, form(client.get(url).content.decode())).status_code == 302
    segment.refresh_from_db()
    assert segment.rule == body


def test_a_wrong_value_is_said_beside_its_condition_and_nothing_is_saved(client, operator):
    fields = form(client.get("/segments/add/").content.decode())
    fields = press(client, fields, "add:n", **{"n.new": "field:age"})
    page = client.post("/segments/add/", fields | {"name": "老", "n.1.from": "sixty"})
    assert page.status_code == 422
    assert "sixty" in page.content.decode()
    assert not Segment.unsafe_all.exists()


def test_names_are_unique_and_a_stale_edit_is_refused(client, operator):
    segment = Segment.unsafe_all.create(name="一", rule={"all": []}, owner=operator)
    fields = form(client.get("/segments/add/").content.decode())
    assert client.post("/segments/add/", fields | {"name": "一"}).status_code == 422
    assert client.post("/segments/add/", fields | {"name": " "}).status_code == 422
    url = reverse("analytics:segments:edit", args=[segment.pk])
    stale = form(client.get(url).content.decode())
    assert client.post(url, fields | {"name": "一", "version": "1"}).status_code == 302
    assert client.post(url, stale).status_code == 422
    segment.refresh_from_db()
    assert (segment.version, segment.versions.count()) == (2, 1)


def test_a_segment_may_not_contain_itself(client, operator):
    one = Segment.unsafe_all.create(name="一", rule={"all": []}, owner=operator)
    two = Segment.unsafe_all.create(name="二", rule={"all": [{"segment": one.pk}]}, owner=operator)
    url = reverse("analytics:segments:edit", args=[one.pk])
    fields = {"name": "一", "version": "1", "n.type": "group", "n.how": "all", "n.size": "1"}
    fields |= {"n.0.type": "segment", "n.0.segment": str(two.pk)}
    assert client.post(url, fields).status_code == 422
    archive = reverse("analytics:segments:archive", args=[one.pk])
    assert client.post(archive).status_code == 422  # 二 still refers to it.
    one.refresh_from_db()
    assert (one.rule, one.is_archived) == ({"all": []}, False)


def test_leads_change_their_own_segments_only(client, operator):
    segment = Segment.unsafe_all.create(name="一", rule={"all": []}, owner=operator)
    client.force_login(factories.make_user(Role.LEAD))
    assert client.get(reverse("analytics:segments:detail", args=[segment.pk])).status_code == 200
    for name in ("edit", "archive"):
        url = reverse(f"analytics:segments:{name}", args=[segment.pk])
        assert client.post(url).status_code == 404


def test_the_api_counts_and_lists(client, operator):
    buyers = [factories.make_customer(order_count=2).pk for _n in range(3)]
    factories.make_customer()
    url = reverse("analytics:segments:api")
    body = {"rule": {"field": "orders", "from": 1}, "ids": True}
    found = client.post(url, body, content_type="application/json").json()
    assert (found["count"], found["ids"]) == (3, buyers)
    for wrong in ({"rule": {"field": "x"}}, {"rule": []}):
        answer = client.post(url, wrong, content_type="application/json")
        assert answer.status_code == 422
    assert client.post(url, [], content_type="application/json").status_code == 400


def test_the_command_counts_verifies_and_refuses(capsys):
    factories.make_customer(order_count=2)
    call_command("segments", "rebuild", json=True)
    call_command("segments", "verify", rule='{"field": "orders", "from": 1}', json=True)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "count": 1, "engine": "bitmaps", "sql": 1, "equal": True,
    }  # fmt: skip
    for wrong in ("{", '{"field": "x", "from": 1}'):
        with pytest.raises(CommandError):
            call_command("segments", "count", rule=wrong)


def test_words_name_nobody_outside_the_scope_and_say_which_tag_is_gone(client, operator):
    root = factories.make_department()
    team, other = (factories.make_department(parent=root) for _n in range(2))
    near, far = (factories.make_agent(department=place) for place in (team, other))
    group = factories.make_group(far)
    tag = factories.make_tag(is_deleted=True)
    rule = {"all": [{"agent": [near.pk, far.pk]}, {"group": [group.pk]}]}
    rule["all"].append({"tags": "any", "ids": [tag.pk]})
    lead = factories.make_user(Role.LEAD, departments=[team])
    for user, hidden in ((operator, ()), (lead, (far.name, group.name))):
        client.force_login(user)
        people = reverse("analytics:figures:api", args=["segment"])
        said = client.get(people, {"rule": json.dumps(rule)}).json()["definition"]
        assert near.name in said
        assert f"{tag.name}（已删除）" in said
        for name in (far.name, group.name):
            assert (name in said) == (name not in hidden)
