"""What a person may ask about their own data: shown, handed over, corrected, erased, left alone."""

import io
import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from analytics.standing.proof import prove
from crm.acquisition.models import WelcomeSent
from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.archive.models import ArchiveConsent, ArchivedMedia, ArchivedMessage
from crm.audiences.actions import freeze_audience
from crm.callbacks.models import InboxEvent
from crm.customers.models import Customer, IdentityConflict
from crm.fields.actions import set_values
from crm.fields.models import Field
from crm.followup.models import FollowUp
from crm.groups.models import Membership
from crm.handover.models import Handover, Transfer
from crm.imports.models import FileImport
from crm.jobs.models import Job
from crm.moments.models import Moment, MomentAudience, MomentReaction, MomentTask
from crm.outbox.models import OutboxItem
from crm.outreach.models import MassBatch, MassRecipient, MassSend, OptOut
from crm.subjects import actions, keeping
from crm.subjects.erasing import EraseRefused, erase
from crm.subjects.holdings import HOLDINGS, WITHOUT_PEOPLE, of_people
from crm.subjects.models import SubjectRequest
from crm.subjects.tasks import run_waiting_erasures
from crm.timeline.models import Fact, FactRemoval
from tests import factories

pytestmark = pytest.mark.django_db
NOW = timezone.now()
Kind, State = SubjectRequest.Kind, SubjectRequest.State
EXTERNAL, UNION, NUMBER, PHONE = "wmPLANTED77", "oPLANTED77", "CPLANTED77", "13977770077"
PLANTED = (EXTERNAL, UNION, NUMBER, PHONE, "秘密")


# What is declared


def test_every_table_says_whether_it_holds_people():
    known = {holding.model for holding in HOLDINGS} | WITHOUT_PEOPLE
    tables = {
        model._meta.label for app in ("crm", "analytics")
        for model in apps.get_app_config(app).get_models()
    }  # fmt: skip
    assert tables - known == set(), "declare it in crm/subjects/holdings.py"
    assert known - tables == set()


def test_every_column_of_a_customer_is_declared():
    declared = {(holding.model, holding.customer) for holding in HOLDINGS}
    pointing = {
        (related.related_model._meta.label, related.field.name)
        for related in Customer._meta.get_fields(include_hidden=True)
        if related.one_to_many or related.one_to_one
    }
    assert pointing - declared == set()


# A person who is everywhere


@pytest.fixture
def manager():
    return factories.make_user(Role.MANAGER, departments=[factories.make_department()])


@pytest.fixture
def person(manager):
    """Somebody whom every table knows, and whom nobody has as friend any more."""
    agent, other = factories.make_agent(), factories.make_agent()
    customer = factories.make_friend(
        agent, external_userid=EXTERNAL, unionid=UNION, customer_no=NUMBER, phone=PHONE,
        name="秘密先生", city="秘密城",
    )  # fmt: skip
    customer.refresh_search()
    customer.save()
    customer.contacts.update(
        remark="秘密备注", description="秘密备注", ended_at=NOW, status="deleted_by_agent"
    )
    group = factories.make_group(agent)
    factories.make_membership(group, customer, nickname="秘密昵称", userid=EXTERNAL, left_at=NOW)
    friend = factories.make_friend(other)
    factories.make_membership(group, friend, invited_by=EXTERNAL)
    order = factories.make_order(customer)
    factories.make_fact(customer, "friend_added", 0, agent_id=agent.pk)
    factories.make_fact(customer, "order_paid", 1, order_id=order.pk, amount_cents=100)
    Field.objects.create(key="diet", label="忌口", kind="text")
    set_values(customer=customer, values={"diet": "秘密忌口"}, source="api", by=manager, now=NOW)
    _talk(customer, agent, group, friend)
    _touched(customer, agent, other)
    freeze_audience(
        name="两位", customer_ids=[customer.pk, friend.pk], by=manager, now=NOW, source="test"
    )
    _technical(customer, manager)
    IdentityConflict.unsafe_all.create(
        kind="phone_same", customer=friend, other=customer, evidence=PHONE, first_seen_at=NOW,
        last_seen_at=NOW,
    )  # fmt: skip
    return customer


def _talk(customer, agent, group, friend) -> None:
    said = {"said_at": NOW, "pulled_at": NOW, "agent": agent}
    own = ArchivedMessage.unsafe_all.create(
        seq=1, msgid="m1", customer=customer, sender=EXTERNAL, receivers=[agent.userid],
        text="秘密话", content={"from": EXTERNAL, "text": "秘密话"}, by_customer=True, **said,
    )  # fmt: skip
    ArchivedMedia.objects.create(
        message=own, kind="image", name="秘密话.jpg", file_id="f1", position=0, next_try_at=NOW
    )
    ArchivedMessage.unsafe_all.create(
        seq=2, msgid="m2", customer=friend, sender="x", receivers=[EXTERNAL, agent.userid],
        text="大家好", content={"tolist": [EXTERNAL, "y"]}, group=group, room=group.chat_id, **said,
    )  # fmt: skip
    ArchiveConsent.objects.create(
        customer=customer, agent=agent, told_by="list", agreed=True, decided_at=NOW
    )


def _touched(customer, agent, other) -> None:
    send = MassSend.unsafe_all.create(
        title="群发", send_at=NOW, state="sent", content_hash="-", approved_hash="-"
    )
    batch = MassBatch.unsafe_all.create(send=send, agent=agent, number=0, size=1, state="done")
    MassRecipient.unsafe_all.create(
        send=send, customer=customer, agent=agent, batch=batch, state="done"
    )
    moment = Moment.unsafe_all.create(
        title="圈", publish_at=NOW, publish_wall="10:00", content_hash="x"
    )
    task = MomentTask.unsafe_all.create(moment=moment, agent=agent)
    MomentAudience.unsafe_all.create(task=task, customer=customer, seen_at=NOW)
    MomentReaction.unsafe_all.create(task=task, customer=customer, kind="like", at=NOW)
    OptOut.unsafe_all.create(customer=customer, since=NOW, note="秘密话")
    FollowUp.unsafe_all.create(
        customer=customer, agent=agent, reason="need", key="need:1", weight=1, evidence="秘密话",
        happened_at=NOW, due_at=NOW, raised_at=NOW,
    )  # fmt: skip
    handover = Handover.unsafe_all.create(giver=agent)
    Transfer.unsafe_all.create(
        handover=handover, customer=customer, giver=agent, taker=other, state="done", ended_at=NOW
    )


def _technical(customer, manager) -> None:
    InboxEvent.objects.create(
        digest=b"1" * 32, message=f"<ExternalUserID>{EXTERNAL}</ExternalUserID>", happened_at=NOW,
        received_at=NOW, next_try_at=NOW, state="done",
    )  # fmt: skip
    for number, state in enumerate(("waiting", "done")):
        OutboxItem.unsafe_all.create(
            kind="tag", key=f"tag:{number}", subject_type="x", subject_id=1, state=state,
            due_at=NOW,
            finished_at=NOW if state == "done" else None,
            payload={"external_userid": EXTERNAL, "list": [EXTERNAL, "wmOTHER"]},
        )  # fmt: skip
    WelcomeSent.unsafe_all.create(
        code="c1", external_userid=EXTERNAL, userid="u", happened_at=NOW, queued_at=NOW
    )
    Job.unsafe_all.create(kind="export", owner=manager, params={"customers": [NUMBER]})
    FileImport.unsafe_all.create(
        kind="customers", owner=manager, file_name="a.csv", stored_name="a", size=1, signature="s",
        sample=[["别人", "13800000000"], ["秘密先生", PHONE]],
    )  # fmt: skip


def everywhere(words) -> list[str]:
    """Table and column of every text in the database in which one of the words stands."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name from information_schema.columns"
            " where table_schema = 'public' and"
            " data_type in ('text', 'character varying', 'jsonb', 'json', 'ARRAY', 'tsvector')"
        )
        for table, column in cursor.fetchall():
            like = " or ".join(f'"{column}"::text like %s' for _word in words)
            cursor.execute(
                f'select count(*) from "{table}" where {like}', [f"%{word}%" for word in words]
            )
            if cursor.fetchone()[0]:
                found.append(f"{table}.{column}")
    return found


def test_nothing_of_the_person_is_found_after_an_erasure(person):
    assert len(everywhere(PLANTED)) > 15
    counts = erase(person.pk, now=NOW)
    assert everywhere(PLANTED) == []
    assert counts["crm.Customer"] == 1
    assert counts["crm.Fact"] == 2
    assert FactRemoval.objects.filter(customer_id=person.pk).exists()
    assert not any(holding.rows_of(person.pk).exists() for holding in of_people())
    assert prove(now=timezone.now()).total_drift == 0


def test_others_keep_what_is_theirs(person):
    friend = Customer.unsafe_all.exclude(pk=person.pk).get()
    before = Fact.unsafe_all.filter(customer=friend).count()
    erase(person.pk, now=NOW)
    assert Fact.unsafe_all.filter(customer=friend).count() == before
    assert not MassRecipient.unsafe_all.exists()
    stay = Membership.unsafe_all.get(customer=None, agent=None)
    assert stay.userid.startswith("erased-")
    [audience] = apps.get_model("crm.Audience").unsafe_all.all()
    assert (audience.customer_count, audience.members.count()) == (1, 1)
    assert ArchivedMessage.unsafe_all.get().receivers[0] == "erased"
    waiting, done = OutboxItem.unsafe_all.filter(kind="tag").order_by("key")
    assert (waiting.state, waiting.reason_code) == ("skipped", "erased")
    assert done.payload["list"] == ["erased", "wmOTHER"]
    assert FileImport.unsafe_all.get().sample == [["别人", "13800000000"]]


def test_a_friend_is_not_erased_because_the_next_sync_would_bring_them_back(person, manager):
    person.contacts.update(ended_at=None, status="active")
    before = everywhere(PLANTED)
    with pytest.raises(EraseRefused, match="仍是"):
        erase(person.pk, now=NOW)
    assert everywhere(PLANTED) == before
    request = received(person, manager, Kind.ERASE)
    with pytest.raises(actions.RequestRefused, match="解除关系"):
        actions.ask_approval(request_id=request.pk, by=manager, now=NOW)


# Requests


def received(customer, user, kind) -> SubjectRequest:
    return actions.receive(customer=customer, kind=kind, asked_how="本人微信提出", by=user, now=NOW)


def test_an_erasure_takes_two_people_and_leaves_a_record_without_the_person(
    client, person, manager
):
    client.force_login(manager)
    new = reverse("crm:subjects:new", args=[person.pk])
    assert client.post(new, {"kind": "erase", "asked_how": ""}).status_code == 422
    assert client.post(new, {"kind": "erase", "asked_how": "秘密先生来电"}).status_code == 302
    request = SubjectRequest.unsafe_all.get()
    detail = reverse("crm:subjects:detail", args=[request.pk])
    assert "提交复核" in client.get(detail).content.decode()
    client.post(reverse("crm:subjects:ask_approval", args=[request.pk]))
    own = client.post(reverse("crm:subjects:approve", args=[request.pk]))
    assert own.status_code == 422
    assert "另一位" in own.content.decode()
    reviewer = factories.make_user(Role.REVIEWER)
    client.force_login(reviewer)
    assert client.post(reverse("crm:subjects:approve", args=[request.pk])).status_code == 302
    assert run_waiting_erasures() == 1
    request.refresh_from_db()
    assert (request.state, request.customer, request.asked_how) == (State.DONE, None, "")
    assert everywhere(PLANTED) == []
    page = client.get(detail).content.decode()
    assert "已办结" in page
    assert AuditEntry.objects.filter(action="subject.done").count() == 1
    assert run_waiting_erasures() == 0


def test_who_becomes_a_friend_again_before_the_erasure_is_left_and_the_request_waits(
    person, manager
):
    request = received(person, manager, Kind.ERASE)
    actions.ask_approval(request_id=request.pk, by=manager, now=NOW)
    actions.approve(request_id=request.pk, by=factories.make_user(Role.REVIEWER), now=NOW)
    person.contacts.update(ended_at=None, status="active")
    run_waiting_erasures()
    request.refresh_from_db()
    assert request.state == State.WAITING
    assert "仍是" in request.answer
    assert Customer.unsafe_all.filter(pk=person.pk).exists()


def test_the_file_holds_what_every_table_knows_and_talk_only_for_whoever_may_read_it(
    client, person, manager
):
    request = received(person, manager, Kind.EXPORT)
    url = reverse("crm:subjects:download", args=[request.pk])
    client.force_login(manager)
    told = json.loads(client.post(url, {"format": "json"}).content)["tables"]
    assert told["客户"][0]["昵称"] == "秘密先生"
    assert "会话消息" not in told
    for word in ("秘密备注", "秘密昵称", "秘密忌口", PHONE):
        assert word in json.dumps(told, ensure_ascii=False)
    assert "秘密话.jpg" not in json.dumps(told, ensure_ascii=False)
    client.force_login(factories.make_user(Role.REVIEWER))
    file = client.post(url, {"format": "xlsx"})
    cells = [
        str(cell)
        for row in load_workbook(io.BytesIO(b"".join(file))).active.iter_rows(values_only=True)
        for cell in row
    ]
    assert "秘密话" in cells
    assert AuditEntry.objects.filter(action="subject.download").count() == 2


def test_stopping_marketing_is_an_opt_out_and_ends_the_request(manager):
    customer = factories.make_friend(factories.make_agent())
    request = received(customer, manager, Kind.STOP)
    with pytest.raises(actions.RequestRefused, match="怎样办理"):
        actions.finish(request_id=request.pk, answer=" ", by=manager, now=NOW)
    actions.finish(request_id=request.pk, answer="已停止", by=manager, now=NOW)
    assert OptOut.unsafe_all.filter(customer=customer).exists()
    with pytest.raises(actions.RequestRefused, match="已经办结"):
        actions.refuse(request_id=request.pk, answer="x", by=manager, now=NOW)


def test_one_open_request_of_a_kind_and_the_late_ones_stand_first(client, manager, settings):
    settings.SUBJECT_REQUEST_DAYS = 15
    customer = factories.make_friend(factories.make_agent())
    actions.receive(
        customer=customer, kind=Kind.SHOW, asked_how="x", by=manager, now=NOW - timedelta(days=20)
    )
    with pytest.raises(actions.RequestRefused, match="已有一个"):
        received(customer, manager, Kind.SHOW)
    received(customer, manager, Kind.CORRECT)
    client.force_login(manager)
    page = client.get(reverse("crm:subjects:list"))
    assert [late for _row, _level, late in page.context["lines"]] == [True, False]
    assert "1 个请求已过最晚办结日" in page.content.decode()
    assert not client.get(reverse("crm:subjects:list"), {"state": "ended"}).context["lines"]


def test_an_agent_has_nothing_to_do_with_requests(client):
    client.force_login(factories.make_user(Role.AGENT))
    assert client.get(reverse("crm:subjects:list")).status_code == 403


def test_rows_past_their_declared_time_go_by_themselves(person):
    before = FollowUp.unsafe_all.get()
    FollowUp.unsafe_all.filter(pk=before.pk).update(
        state="done", ended_at=NOW - timedelta(days=731)
    )
    assert keeping.forget_old(now=NOW) == {"crm.FollowUp": 1}
    assert keeping.forget_old(now=NOW) == {}
    assert MomentAudience.unsafe_all.exists()
