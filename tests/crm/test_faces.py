"""Persona accounts: their words greet their customers, and nobody is handed over by themselves."""

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.urls import reverse

from crm.acquisition.actions import WelcomeRule, choose, give_to_face, save_welcome
from crm.acquisition.models import Welcome
from crm.acquisition.wording import BadWording
from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.audiences.actions import freeze_audience
from crm.customers.models import Customer
from crm.faces import queries
from crm.faces.actions import (
    FaceContent,
    FaceRefused,
    StaleFace,
    archive_face,
    restore_face,
    save_face,
)
from crm.faces.models import Face, FaceAgent
from crm.handover.models import Transfer
from tests.factories import (
    make_agent,
    make_channel,
    make_contact,
    make_department,
    make_friend,
    make_tag,
    make_user,
)

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(db):
    return make_user(Role.OPERATOR)


def made(by, **values) -> Face:
    values = {
        "name": "老友会旅行小客服",
        "tone": "称呼叔叔阿姨",
        "agents": (make_agent(),),
    } | values
    if "audience" not in values:
        values.setdefault("tag", make_tag(name="60+"))
    return save_face(content=FaceContent(**values), by=by, now=NOW)


def tagged(agent, tag, **values) -> Customer:
    return make_friend(agent, tag_ids=[tag.pk], **values)


def written(name: str, **values) -> Welcome:
    return save_welcome(WelcomeRule(name=name, text=name, **values), by=None, now=NOW)


def form_of(face: Face, **values) -> dict:
    plain = {"name": face.name, "tone": face.tone, "tag": face.tag_id or "", "topic": face.topic}
    agents = list(face.members.values_list("agent_id", flat=True))
    return plain | {"agents": agents, "version": face.version} | values


# Writing it down


def test_an_operator_writes_one_and_every_change_is_on_record(client, operator):
    agent, tag, channel = make_agent(), make_tag(), make_channel()
    client.force_login(operator)
    asked = {
        "name": "老友会旅行小客服",
        "tone": "称呼叔叔阿姨，短句",
        "agents": [agent.pk],
        "tag": tag.pk,
        "channels": [channel.pk],
        "topic": "早安",
    }
    answer = client.post(reverse("crm:faces:new"), asked)
    face = Face.objects.get()
    assert answer.url == reverse("crm:faces:detail", args=[face.pk])
    other = make_agent()
    edit = reverse("crm:faces:edit", args=[face.pk])
    assert client.post(edit, form_of(face, agents=[other.pk])).status_code == 302
    entry = AuditEntry.objects.filter(action="face.save").latest("pk")
    assert (entry.actor, entry.details["before"]["agents"]) == (operator, [agent.pk])
    assert entry.details["after"]["agents"] == [other.pk]
    # Whoever looked at the old page is told, and nothing changes.
    assert client.post(edit, form_of(face, name="别的")).status_code == 409
    assert Face.objects.get().name == "老友会旅行小客服"
    page = client.get(reverse("crm:faces:list")).content.decode()
    assert "老友会旅行小客服" in page and other.name in page


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"tone": ""}, "tone"),
        ({"agents": []}, "agents"),
        ({"tag": ""}, "tag"),
        ({"agents": ["x"]}, "agents"),
        ({"tag": "99999999999999999999"}, "tag"),
    ],
)
def test_what_cannot_stand_is_refused_at_its_field(client, operator, wrong, field):
    face = made(operator)
    client.force_login(operator)
    answer = client.post(reverse("crm:faces:edit", args=[face.pk]), form_of(face, **wrong))
    assert answer.status_code == 422
    assert field in answer.context["form"].errors


def test_a_face_is_for_a_tag_or_an_audience_never_both(operator):
    one = tagged(make_agent(), tag := make_tag())
    audience = freeze_audience(name="银发", customer_ids=[one.pk], by=operator, now=NOW)
    with pytest.raises(FaceRefused, match="只选其一"):
        made(operator, tag=tag, audience=audience)


def test_an_agent_a_name_and_a_way_in_belong_to_one_live_face(operator):
    agent, channel = make_agent(), make_channel()
    first = made(operator, agents=(agent,), channels=(channel,))
    for taken, field in (
        ({"agents": (agent,), "name": "b"}, "agents"),
        ({"name": first.name}, "name"),
        ({"channels": (channel,), "name": "b"}, "channels"),
    ):
        with pytest.raises(FaceRefused) as refused:
            made(operator, **taken)
        assert refused.value.field == field
    archive_face(face=first, version=first.version, by=operator, now=NOW)
    second = made(operator, agents=(agent,), channels=(channel,))
    first.refresh_from_db()
    with pytest.raises(FaceRefused):
        restore_face(face=first, version=first.version, by=operator, now=NOW)
    archive_face(face=second, version=second.version, by=operator, now=NOW)
    restore_face(face=first, version=first.version, by=operator, now=NOW)
    assert Face.objects.live().get() == first
    assert FaceAgent.objects.get(is_live=True).face == first
    with pytest.raises(StaleFace):
        archive_face(face=first, version=first.version, by=operator, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_cannot_take_the_same_agent():
    by, agent, tag = make_user(Role.OPERATOR), make_agent(), make_tag()
    start, refused = threading.Barrier(2), []

    def save(name: str) -> None:
        start.wait()
        try:
            made(by, name=name, agents=(agent,), tag=tag)
        except FaceRefused as refusal:
            refused.append(refusal.field)
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=[name]) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["agents"] and Face.objects.count() == 1


def test_agents_beyond_the_editors_scope_stay(client, operator):
    root = make_department()
    mine, theirs = make_department(parent=root), make_department(parent=root)
    near, far = make_agent(department=mine), make_agent(department=theirs)
    face = made(operator, agents=(near, far))
    manager = make_user(Role.MANAGER, departments=[mine])
    client.force_login(manager)
    edit = reverse("crm:faces:edit", args=[face.pk])
    assert far.name not in client.get(edit).content.decode()
    assert client.post(edit, form_of(face, agents=[near.pk], tone="慢慢说")).status_code == 302
    assert set(face.members.values_list("agent", flat=True)) == {near.pk, far.pk}


def test_who_sees_neither_its_agents_nor_its_audience_may_still_mend_its_tone(client, operator):
    one = make_friend(make_agent())
    audience = freeze_audience(name="银发", customer_ids=[one.pk], by=operator, now=NOW)
    face = made(operator, audience=audience)
    client.force_login(
        make_user(Role.MANAGER, departments=[make_department(parent=make_department())])
    )
    edit = reverse("crm:faces:edit", args=[face.pk])
    asked = form_of(face, agents=[], tag="", audience=audience.pk, tone="短句")
    assert client.post(edit, asked).status_code == 302
    face.refresh_from_db()
    assert (face.tone, face.audience, face.members.count()) == ("短句", audience, 1)


# Welcomes


def test_a_face_greets_its_ways_in_its_agents_and_its_customers_before_anybody(operator):
    agent, channel, tag = make_agent(), make_channel(), make_tag()
    face = made(operator, agents=(agent,), channels=(channel,), tag=tag)
    default = written("默认", is_default=True)
    loud = written("全员", priority=100)
    own = written("老友会", face=face)
    stranger, senior = make_agent(), tagged(make_agent(), tag)
    assert choose(stranger, "", "wmNobody") == loud
    assert choose(stranger, channel.code, "wmNobody") == own
    assert choose(None, channel.code, "") == own
    assert choose(agent, "", "wmNobody") == own
    assert choose(stranger, "", senior.external_userid) == own
    Customer.unsafe_all.filter(pk=senior.pk).update(tag_ids=[])
    assert choose(stranger, "", senior.external_userid) == loud
    archive_face(face=face, version=face.version, by=operator, now=NOW)
    assert choose(agent, channel.code, "") == loud
    Welcome.objects.filter(pk=loud.pk).update(is_active=False)
    assert choose(agent, channel.code, "") == default


def test_the_way_in_counts_before_the_agent_and_the_agent_before_the_customer(operator):
    tag, channel = make_tag(), make_channel()
    known = made(operator, name="a", tag=tag)
    speaking = made(operator, name="b", agents=(agent := make_agent(),), tag=make_tag())
    leading = made(operator, name="c", channels=(channel,), tag=make_tag())
    rules = {face.name: written(face.name, face=face) for face in (known, speaking, leading)}
    senior = tagged(make_agent(), tag).external_userid
    assert choose(agent, channel.code, senior) == rules["c"]
    assert choose(agent, "", senior) == rules["b"]
    assert choose(make_agent(), "", senior) == rules["a"]


def test_a_faces_words_may_be_narrowed_further(operator):
    agent, channel = make_agent(), make_channel()
    face = made(operator, agents=(agent,))
    plain = written("平常", face=face)
    special = written("活动", face=face, channel=channel, priority=5)
    assert choose(agent, channel.code, "") == special
    assert choose(agent, "", "") == plain


def test_people_of_an_audience_are_greeted_by_its_face(operator):
    friend, other = make_friend(make_agent()), make_friend(make_agent())
    audience = freeze_audience(name="银发", customer_ids=[friend.pk], by=operator, now=NOW)
    own = written("老友会", face=made(operator, audience=audience))
    assert choose(make_agent(), "", friend.external_userid) == own
    assert choose(make_agent(), "", other.external_userid) is None


def test_without_faces_choosing_asks_what_it_asked_before(operator, django_assert_num_queries):
    written("默认", is_default=True)
    with django_assert_num_queries(1):
        choose(None, "", "wmSomebody")
    agent = make_agent()
    own = written("老友会", face=made(operator, agents=(agent,)))
    with django_assert_num_queries(5):
        assert choose(agent, "", "wmSomebody") == own


def test_a_manager_gives_words_to_a_face_and_what_is_released_greets_nobody(client, operator):
    face, words = made(operator), written("老友会")
    client.force_login(make_user(Role.MANAGER))
    of_face = reverse("crm:acquisition:face_welcomes", args=[face.pk])
    assert "老友会" in client.get(of_face).content.decode()
    assert client.post(of_face, {"welcome": words.pk}).status_code == 302
    words.refresh_from_db()
    assert words.face == face
    assert AuditEntry.objects.filter(action="welcome.face").count() == 1
    another = made(operator, name="b", tag=make_tag())
    taken = reverse("crm:acquisition:face_welcomes", args=[another.pk])
    assert client.post(taken, {"welcome": words.pk}).status_code == 422
    assert client.post(of_face, {"welcome": words.pk, "then": "release"}).status_code == 302
    words.refresh_from_db()
    assert (words.face, words.is_active) == (None, False)
    # What was never its own cannot be switched off from here.
    general = written("全员")
    assert client.post(of_face, {"welcome": general.pk, "then": "release"}).status_code == 422
    assert Welcome.objects.get(pk=general.pk).is_active
    with pytest.raises(BadWording):
        give_to_face(welcome=written("默认", is_default=True), face=face, by=operator, now=NOW)


def test_the_welcome_form_knows_faces(client, operator):
    face = made(operator)
    client.force_login(operator)
    page = client.get(reverse("crm:acquisition:add_welcome") + f"?face={face.pk}")
    assert page.context["form"]["face"].initial == face
    asked = {"name": "老友会", "text": "叔叔阿姨好", "face": face.pk, "priority": 0}
    client.post(reverse("crm:acquisition:add_welcome"), asked | {"is_active": "on"})
    assert Welcome.objects.get().face == face
    assert face.name in client.get(reverse("crm:acquisition:welcomes")).content.decode()


# Who is to be handed to it


def test_whom_it_is_for_and_who_is_no_friend_of_its_agents_is_listed(client, operator):
    agent, other, tag = make_agent(), make_agent(), make_tag()
    face = made(operator, agents=(agent,), tag=tag)
    tagged(agent, tag, name="已经在了")
    waiting = tagged(other, tag, name="还没移交")
    lost = tagged(other, tag, name="断了的")
    make_contact(lost, agent, status="deleted_by_customer", ended_at=NOW)
    make_friend(other, name="不相干")
    assert set(queries.to_hand(face, operator)) == {waiting, lost}
    client.force_login(operator)
    page = client.get(reverse("crm:faces:detail", args=[face.pk]))
    assert (page.context["customers"], page.context["waiting"]) == (3, 2)
    people = client.get(reverse("crm:faces:waiting", args=[face.pk])).content.decode()
    assert "还没移交" in people and "断了的" in people and other.name in people
    assert "已经在了" not in people and "不相干" not in people
    # Nothing went by itself.
    assert not Transfer.unsafe_all.exists()


def test_the_count_stays_within_the_viewers_scope(client, operator):
    root = make_department()
    mine, theirs = make_department(parent=root), make_department(parent=root)
    tag = make_tag()
    face = made(operator, tag=tag)
    tagged(make_agent(department=mine), tag, name="自己的")
    tagged(make_agent(department=theirs), tag, name="别人的")
    client.force_login(make_user(Role.MANAGER, departments=[mine]))
    page = client.get(reverse("crm:faces:detail", args=[face.pk]))
    assert page.context["waiting"] == 1 == len(page.context["givers"])
    people = client.get(reverse("crm:faces:waiting", args=[face.pk])).content.decode()
    assert "自己的" in people and "别人的" not in people


def test_the_link_leads_to_a_handover_of_these_customers_alone(client, operator):
    root = make_department()
    giver, taker = make_agent(department=root), make_agent(department=root)
    tag = make_tag()
    face = made(operator, agents=(taker,), tag=tag)
    moving, staying = tagged(giver, tag), make_friend(giver)
    client.force_login(make_user(Role.MANAGER, departments=[root]))
    plan = reverse("crm:handover:plan")
    page = client.get(reverse("crm:faces:detail", args=[face.pk])).content.decode()
    link = f"{plan}?giver={giver.pk}&amp;face={face.pk}"
    assert link in page
    form = client.get(link.replace("&amp;", "&")).context["form"]
    assert form["takers"].initial == [taker.pk] and form["face"].initial == face
    asked = {"giver": giver.pk, "face": face.pk, "takers": [taker.pk], "split": "even"}
    dry = client.get(plan, asked).context["plan"]
    assert (dry.moving, dry.kept) == (1, [("not_of_face", 1)])
    assert client.post(plan, asked | {"expected": 1}).status_code == 302
    rows = dict(Transfer.unsafe_all.values_list("customer", "state"))
    assert rows == {moving.pk: "planned", staying.pk: "kept"}


# The tone beside what is written


@pytest.mark.parametrize("by_what", ["senders", "agents", "tags", "channel", "face", "audience"])
def test_the_tone_shows_beside_what_is_written_for_it(client, operator, by_what):
    agent, channel, tag = make_agent(), make_channel(), make_tag()
    friend = make_friend(agent)
    audience = freeze_audience(name="银发", customer_ids=[friend.pk], by=operator, now=NOW)
    meant = {"audience": audience} if by_what == "audience" else {"tag": tag}
    face = made(operator, agents=(agent,), channels=(channel,), topic="早安", **meant)
    numbers = {
        "senders": agent.pk,
        "agents": agent.pk,
        "tags": tag.pk,
        "channel": channel.pk,
        "face": face.pk,
        "audience": audience.pk,
    }
    client.force_login(operator)
    tones = reverse("crm:faces:tones")
    told = client.post(tones, {by_what: numbers[by_what]}).content.decode()
    assert "称呼叔叔阿姨" in told and "topic=" in told
    assert "称呼叔叔阿姨" not in client.post(tones, {by_what: "x"}).content.decode()
    archive_face(face=face, version=face.version, by=operator, now=NOW)
    told = client.post(tones, {by_what: numbers[by_what]}).content.decode()
    assert "称呼叔叔阿姨" not in told


@pytest.mark.parametrize("page", ["moments:new", "outreach:new", "acquisition:add_welcome"])
def test_every_composing_form_asks_for_it(client, operator, page):
    client.force_login(operator)
    asked = client.get(reverse(f"crm:{page}")).content.decode()
    assert f'hx-post="{reverse("crm:faces:tones")}"' in asked


def test_an_agent_may_not_configure_faces(client, operator):
    face = made(operator)
    client.force_login(make_user(Role.AGENT, agent=make_agent()))
    for name, args in (("list", []), ("detail", [face.pk]), ("edit", [face.pk]), ("new", [])):
        assert client.get(reverse(f"crm:faces:{name}", args=args)).status_code == 403
