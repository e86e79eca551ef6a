"""Every page about one object, asked by every role for an object of its own, of its team, of its
department and of strangers. The pages come from the policy table, the expectation from the table
below, which says in plain words what the design says of each role.
"""

import io
from dataclasses import dataclass

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from analytics.funnels.models import SavedQuestion
from analytics.segments.models import Segment
from config.policies import PolicyRow, policy_table
from crm.acquisition.models import Welcome
from crm.agents.access import Role
from crm.agents.models import User
from crm.archive.models import ArchiveReading
from crm.audiences.models import Audience
from crm.content.models import Material, MaterialPicture
from crm.content.pictures import store_picture
from crm.customers.models import IdentityConflict, SavedView
from crm.faces.models import Face
from crm.followup.models import FollowUp
from crm.handover.models import Handover
from crm.imports.models import FileImport
from crm.jobs.models import Job
from crm.links.models import ShortLink
from crm.members.models import MemberCard, MemberTier
from crm.moments.images import store_image
from crm.moments.models import Moment, MomentTask
from crm.outbox.models import OutboxItem
from crm.outreach.models import MassBatch, MassSend, Replay
from crm.slots.models import PostSlot
from crm.subjects.models import SubjectRequest
from crm.tagging.models import AudienceTag, TagBatch
from crm.trials.models import Trial
from tests.factories import (
    make_agent,
    make_department,
    make_friend,
    make_group,
    make_tag,
    make_user,
)

DISTANCES = ("own", "team", "department", "foreign")
EVERYTHING = frozenset(DISTANCES)
NOTHING: frozenset[str] = frozenset()

# How far each role sees what belongs to agents: customers, groups, moments, agents themselves.
SEES = {
    Role.AGENT: frozenset({"own"}),
    Role.LEAD: frozenset({"own", "team"}),
    Role.MANAGER: frozenset({"own", "team", "department"}),
    Role.OPERATOR: EVERYTHING,
    Role.REVIEWER: EVERYTHING,
    Role.ADMIN: NOTHING,
    Role.SERVICE: NOTHING,
}
# Who sees what belongs to another login, beside its owner.
# `figure` names a kind of number, and who is counted is narrowed like any list of customers; a
# `ticket` is whatever its person calls it, kept under that person's own number; a `code` opens a
# short link for everybody.
NOT_OBJECTS = {"figure", "ticket", "code"}
SEES_OTHERS = {
    "audience_id": {Role.OPERATOR},
    # What is the company's is read by everybody who may read content.
    # Other systems read it over the API.
    "material_id": {Role.AGENT, Role.LEAD, Role.OPERATOR, Role.MANAGER, Role.SERVICE},
    "picture_id": {Role.AGENT, Role.LEAD, Role.OPERATOR, Role.MANAGER},
    "link_id": {Role.AGENT, Role.LEAD, Role.OPERATOR, Role.MANAGER},
    "job_id": set(),
    "import_id": set(),
    "batch_id": {Role.OPERATOR},
    "reading_id": set(),
    # A segment is a question and holds nobody: whoever may save audiences reads all of them.
    "segment_id": {Role.LEAD, Role.MANAGER, Role.OPERATOR},
    # Persona accounts are the corporation's, whoever wrote them down.
    "face_id": {Role.OPERATOR, Role.MANAGER},
    # A trial says how people were drawn and holds nobody by itself.
    "trial_id": {Role.LEAD, Role.OPERATOR, Role.MANAGER, Role.SERVICE},
    "slot_id": {Role.LEAD, Role.OPERATOR, Role.MANAGER},
    "question_id": set(),
    "view_id": set(),
    # Other systems name customers by their number, and stand for the whole company.
    "customer_no": {Role.SERVICE},
}
# Pages that change what others may only read.
CHANGES = {f"analytics:segments:{verb}": {Role.OPERATOR} for verb in ("edit", "archive")}


@dataclass(frozen=True)
class House:
    """Who asks, and for what: the number of an object by argument name and distance."""

    users: dict[str, User]
    objects: dict[str, dict[str, object]]


@pytest.fixture
def house(db, settings, tmp_path) -> House:
    settings.MEDIA_ROOT = str(tmp_path)
    root = make_department()
    sales, service = make_department(parent=root), make_department(parent=root)
    team, other_team = make_department(parent=sales), make_department(parent=sales)
    agents = {
        "own": make_agent(department=team),
        "team": make_agent(department=team),
        "department": make_agent(department=other_team),
        "foreign": make_agent(department=service),
    }
    users = {role: make_user(role) for role in Role.values}
    users[Role.AGENT].agent = agents["own"]
    users[Role.AGENT].save()
    users[Role.LEAD].departments.set([team])
    users[Role.MANAGER].departments.set([sales])
    stranger = make_user(Role.OPERATOR)
    now = timezone.now()
    tier = MemberTier.objects.create(code="gold", name="金卡", rank=1)
    objects = {name: {} for name in ("moment_id", "image_id", "item_id", "send_id")}
    for near in agents:  # Welcome rules are the corporation's; only operators write them.
        objects.setdefault("welcome_id", {})[near] = Welcome.objects.create(name=near, text=near).pk
        objects.setdefault("trial_id", {})[near] = Trial.unsafe_all.create(
            salt=near, control_percent=20, planned_people=100
        ).pk
        face = Face.objects.create(name=near, tag=make_tag())
        objects.setdefault("face_id", {})[near] = face.pk
        objects.setdefault("slot_id", {})[near] = PostSlot.objects.create(
            name=near, face=face, weekdays=[0], at="08:00", topic="x", since=now, kept_by=stranger
        ).pk
        replay = Replay.objects.create(month="2026-11-01", as_of=now, made_at=now)
        objects.setdefault("replay_id", {})[near] = replay.pk
    objects["agent_id"] = {near: agent.pk for near, agent in agents.items()}
    friends = {near: make_friend(agent) for near, agent in agents.items()}
    objects["customer_id"] = {near: friend.pk for near, friend in friends.items()}
    objects["customer_no"] = {near: friend.customer_no for near, friend in friends.items()}
    objects["group_id"] = {near: make_group(agent).pk for near, agent in agents.items()}
    objects["conflict_id"] = {near: _conflict(objects["customer_id"][near]).pk for near in agents}
    objects["handover_id"] = {
        near: Handover.unsafe_all.create(giver=agent, created_by=stranger).pk
        for near, agent in agents.items()
    }
    for near, agent in agents.items():
        moment = _moment(agent, stranger)
        objects["moment_id"][near] = moment.pk
        objects["image_id"][near] = moment.images.get().pk
        objects["item_id"][near] = _item(moment, stranger).pk
        objects["send_id"][near] = _send(agent, stranger).pk
        material = Material.unsafe_all.create(
            kind="image", tier="company", title="x", text="x", owner=stranger,
            picture=_picture(stranger),
        )  # fmt: skip
        material.versions.create(
            number=1, saved_by=stranger, saved_at=now, picture=material.picture
        )
        objects.setdefault("material_id", {})[near] = material.pk
        objects.setdefault("picture_id", {})[near] = material.picture.pk
        objects.setdefault("link_id", {})[near] = ShortLink.unsafe_all.create(
            code=f"code{near[:4]}", target="https://x.example", title="x", made_by=stranger,
            made_at=now,
        ).pk  # fmt: skip
        objects.setdefault("card_id", {})[near] = MemberCard.unsafe_all.create(
            customer_id=objects["customer_id"][near], tier=tier, begins_on=now.date(), source="api"
        ).pk
        objects.setdefault("request_id", {})[near] = SubjectRequest.unsafe_all.create(
            customer_id=objects["customer_id"][near], customer_ref=1, kind="show", asked_how="x",
            received_at=now, due_on=now.date(),
        ).pk  # fmt: skip
        objects.setdefault("follow_up_id", {})[near] = _follow_up(
            agent, objects["customer_id"][near]
        )
    return House(users, objects | _owned(users, stranger))


def _follow_up(agent, customer_id: int) -> int:
    now = timezone.now()
    item = FollowUp.unsafe_all.create(
        customer_id=customer_id,
        agent=agent,
        reason="unanswered",
        key=f"matrix:{agent.pk}",
        weight=100,
        happened_at=now,
        due_at=now,
        raised_at=now,
    )
    return item.pk


def _conflict(customer_id: int) -> IdentityConflict:
    now = timezone.now()
    return IdentityConflict.unsafe_all.create(
        kind="unionid_changed",
        customer_id=customer_id,
        evidence="oOther",
        first_seen_at=now,
        last_seen_at=now,
    )


def _moment(agent, author: User) -> Moment:
    moment = Moment.unsafe_all.create(
        title="早安",
        text="早安",
        publish_at=timezone.now(),
        publish_wall="2026-11-01T10:00",
        state=Moment.State.APPROVED,
        content_hash="0" * 64,
        approved_hash="0" * 64,
        created_by=author,
    )
    MomentTask.unsafe_all.create(moment=moment, agent=agent)
    image = store_image(upload=_upload(), name="p.png", by=author)
    image.moment = moment
    image.save()
    return moment


def _picture(author: User) -> MaterialPicture:
    return store_picture(upload=_upload(), name="p.png", by=author)


def _upload() -> SimpleUploadedFile:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(file, "PNG")
    return SimpleUploadedFile("p.png", file.getvalue())


def _send(agent, author: User) -> MassSend:
    send = MassSend.unsafe_all.create(
        title="早安", text="早安", send_at=timezone.now(), content_hash="0" * 64, created_by=author
    )
    MassBatch.unsafe_all.create(send=send, agent=agent, number=0, size=1)
    return send


def _item(moment: Moment, author: User) -> OutboxItem:
    return OutboxItem.unsafe_all.create(
        kind="moment.create",
        key=f"matrix:{moment.pk}",
        subject_type="moment",
        subject_id=moment.pk,
        state=OutboxItem.State.PARKED,
        due_at=timezone.now(),
        created_by=author,
    )


def _owned(users: dict[str, User], stranger: User) -> dict[str, dict[str, object]]:
    """What belongs to a login; each role has its own, and one is foreign."""
    kinds = (
        "audience_id",
        "job_id",
        "import_id",
        "batch_id",
        "reading_id",
        "segment_id",
        "question_id",
        "view_id",
    )
    made: dict[str, dict[str, object]] = {kind: {} for kind in kinds}
    today = timezone.now().date()
    for owner_name, owner in [*users.items(), ("foreign", stranger)]:
        audience = Audience.unsafe_all.create(
            name="人群", frozen_at=timezone.now(), customer_count=0, created_by=owner
        )
        job = Job.unsafe_all.create(kind=Job.Kind.EXPORT, title="导出", owner=owner)
        file = FileImport.unsafe_all.create(
            kind="orders", owner=owner, file_name="a.csv", stored_name=f"{owner.pk}.csv", size=1
        )
        reading = ArchiveReading.unsafe_all.create(
            reader=owner, reason="投诉", first=today, last=today, began_at=timezone.now()
        )
        segment = Segment.unsafe_all.create(name=owner_name, rule={"all": []}, owner=owner)
        made["segment_id"][owner_name] = segment.pk
        made["reading_id"][owner_name] = reading.pk
        made["question_id"][owner_name] = SavedQuestion.unsafe_all.create(
            name="漏斗", owner=owner, question={}, query=""
        ).pk
        made["view_id"][owner_name] = SavedView.unsafe_all.create(name="视图", owner=owner).pk
        made["audience_id"][owner_name] = audience.pk
        AudienceTag.unsafe_all.create(audience=audience, name="人群", reason="名称已有")
        made["job_id"][owner_name] = job.pk
        made["import_id"][owner_name] = file.pk
        made["batch_id"][owner_name] = TagBatch.unsafe_all.create(created_by=owner).pk
    return made


def _argument(row: PolicyRow) -> str:
    return row.route.partition("<")[2].partition(">")[0].rpartition(":")[2]


def object_pages() -> list[PolicyRow]:
    """Our own pages whose address names exactly one object."""
    return [
        row
        for row in policy_table()
        if row.policy
        and row.route.count("<") == 1
        and row.name.startswith(("crm:", "analytics:"))
        and _argument(row) not in NOT_OBJECTS
    ]


def expected(row: PolicyRow, role: str, near: str) -> str:
    """``sees``, ``missing`` (404, also for foreign objects) or ``forbidden`` (403)."""
    if role not in row.policy.roles:
        return "forbidden"
    others = CHANGES.get(row.name, SEES_OTHERS.get(_argument(row)))
    if others is None:
        return "sees" if near in SEES[role] else "missing"
    return "sees" if near == role or role in others else "missing"


def answer(client, row: PolicyRow, pk: object) -> str:
    """What the page says, with everything that it changed taken back."""
    address = reverse(row.name, args=[pk])
    with transaction.atomic():
        response = client.get(address)
        if response.status_code == 405:
            response = client.post(address, {})
        transaction.set_rollback(True)
    assert response.status_code < 500, (row.name, response.status_code)
    return {403: "forbidden", 404: "missing"}.get(response.status_code, "sees")


def test_the_matrix_knows_every_kind_of_object(house):
    unknown = {_argument(row) for row in object_pages()} - house.objects.keys()
    assert unknown == set()


@pytest.mark.parametrize("role", Role.values)
def test_every_object_page_answers_by_role_and_distance(role, house, client):
    client.force_login(house.users[role])
    wrong = []
    for row in object_pages():
        for near, pk in house.objects[_argument(row)].items():
            said, should = answer(client, row, pk), expected(row, role, near)
            if row.name == "crm:jobs:report" and should == "sees":
                should = "missing"  # A job that wrote no report has none to give.
            if said != should:
                wrong.append(f"{row.name} {near}: {said}, should be {should}")
    assert wrong == []


def test_a_missing_object_is_answered_like_a_foreign_one(house, client):
    client.force_login(house.users[Role.AGENT])
    for row in object_pages():
        if Role.AGENT in row.policy.roles and _argument(row) not in ("image_id", "picture_id"):
            assert answer(client, row, 987_654_321) == "missing", row.name


def test_a_stranger_never_reaches_an_object(house, client):
    for row in object_pages():
        for pk in house.objects[_argument(row)].values():
            response = client.get(reverse(row.name, args=[pk]))
            if row.route.startswith("api/"):
                assert response.status_code == 401, row.name
                continue
            assert response.status_code == 302, row.name
            assert "/accounts/login/" in response["Location"], row.name
