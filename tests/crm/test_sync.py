"""The full sync against the sandbox: equal to WeCom at the end, and never less on a bad day."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from crm.agents.models import Agent, Department
from crm.callbacks import tasks as callback_tasks
from crm.customers.models import Contact, Customer, Tag
from crm.groups.models import Group, Membership
from crm.sync import actions, tasks
from crm.sync.models import StagedPage, SyncRun
from crm.sync.queries import sync_health
from crm.timeline.models import Fact
from crm.wecom import Client
from crm.wecom.calls import contacts as contact_calls
from tests.crm.wecom_helpers import PEOPLE, present, story, take, told
from tests.factories import make_user
from tests.sandbox_fixture import ROOT
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("db")
CONTACTS = "externalcontact/batch/get_by_user"


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch, wecom_sandbox):
    monkeypatch.setattr(callback_tasks, "_silent_until", float("inf"))


def sync(*objects: str) -> dict[str, SyncRun]:
    runs = actions.sync_objects(objects or PEOPLE)
    return {run.object: run for run in runs}


def same_as_wecom(sandbox) -> None:
    """Relations, tags and group members here are those of the sandbox's world."""
    world = sandbox.read("world")
    listed = {
        (row["userid"], row["external_userid"]): row["createtime"]
        for row in world["relations"]
        if not row["half"] and row["lost_by"] != "agent"
    }
    ours = {
        (contact.agent.userid, contact.customer.external_userid): int(contact.added_at.timestamp())
        for contact in Contact.unsafe_all.select_related("agent", "customer").filter(
            status__in=["active", "deleted_by_customer"]
        )
    }
    assert ours == listed
    chats = {row["chat_id"] for row in world["groups"] if row["dismissed_at"] is None}
    assert set(Group.unsafe_all.current().values_list("chat_id", flat=True)) == chats
    members = {(chat_id, member) for chat_id, member, *_ in world["group_members"]}
    stays = Membership.unsafe_all.current().values_list("group__chat_id", "userid")
    assert set(stays) == {pair for pair in members if pair[0] in chats}


def test_everything_that_wecom_lists_is_here_after_a_sync(wecom_sandbox):
    runs = sync()
    assert {run.state for run in runs.values()} == {"done"}
    same_as_wecom(wecom_sandbox)
    assert Department.objects.filter(is_active=True).count() == runs["departments"].rows
    assert Agent.unsafe_all.active().count() >= 6
    assert Tag.objects.exists()
    assert not StagedPage.objects.exists()
    friends = Customer.unsafe_all.friends().count()
    assert friends == len({c.customer_id for c in Contact.unsafe_all.current()})
    added = Fact.unsafe_all.filter(kind__code="friend_added").count()
    assert added == Contact.unsafe_all.count()
    tagged = Customer.unsafe_all.exclude(tag_ids=[]).first()
    assert tagged is not None


def test_a_second_sync_changes_nothing(wecom_sandbox):
    sync()
    before = present(), story()
    runs = sync()
    assert (present(), story()) == before
    assert runs["customers"].changed == runs["customers"].ended == 0
    assert runs["groups"].changed == 0


def test_sync_and_callback_name_the_same_facts(client, wecom_sandbox):
    wecom_sandbox.step("add", count=3)
    wecom_sandbox.step("group_join", count=2)
    sync()
    before = story()
    take(client, *told(wecom_sandbox))
    assert story() == before


def test_what_callbacks_missed_is_repaired(client, wecom_sandbox):
    sync()
    lost = list(Contact.unsafe_all.current().select_related("agent", "customer").order_by("pk")[:2])
    for kind in ("add", "group_join", "group_leave", "group_create", "edit"):
        wecom_sandbox.control("clock", advance=60)
        wecom_sandbox.step(kind, count=2)
    for contact in lost:
        pair = (contact.agent.userid, contact.customer.external_userid)
        wecom_sandbox.step("delete_by_agent", userid=pair[0], external_userid=pair[1])
    wecom_sandbox.step("group_dismiss", chat_id=Group.unsafe_all.first().chat_id)
    runs = sync()
    same_as_wecom(wecom_sandbox)
    assert (runs["customers"].ended, runs["groups"].ended) == (2, 1)
    gone = Fact.unsafe_all.filter(kind__code="friend_deleted_by_agent")
    assert {(fact.source, fact.properties["observed"]) for fact in gone} == {("sync", True)}
    before = story()
    sync()
    assert story() == before
    take(client, *told(wecom_sandbox))  # The events come after all: nothing is told twice.
    kinds = Fact.unsafe_all.filter(kind__code__startswith="friend_deleted").count()
    assert kinds == 2


def test_a_deletion_by_the_customer_is_not_undone_by_a_sync_that_still_lists_them(
    client, wecom_sandbox
):
    sync()
    wecom_sandbox.control("clock", advance=600)
    step = wecom_sandbox.step("delete_by_customer")
    take(client, wecom_sandbox.read("callbacks")[0]["xml"])
    before = story()
    sync()
    pair = {"agent__userid": step["UserID"], "customer__external_userid": step["ExternalUserID"]}
    assert Contact.unsafe_all.get(**pair).status == "deleted_by_customer"
    assert story() == before
    wecom_sandbox.control("settings", lost_relations_listed=False)
    sync()
    assert story() == before  # Unlisted at last, and told already.


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize("kind", ["http_500", "drop", "errcode"])
def test_a_page_that_fails_deletes_nobody_and_the_next_turn_goes_on_there(
    wecom_sandbox, small_pages, page, kind
):
    sync()
    before = present()
    wecom_sandbox.control("clock", advance=60)
    step = wecom_sandbox.step("delete_by_agent")
    fault = wecom_sandbox.fault(CONTACTS, kind, page=page)
    run = sync("customers")["customers"]
    assert (run.state, run.pages, bool(run.error)) == ("reading", page - 1, True)
    assert present() == before
    wecom_sandbox.control("faults", verb="DELETE", id=fault)
    resumed = sync("customers")["customers"]
    assert (resumed.pk, resumed.state, resumed.ended) == (run.pk, "done", 1)
    assert wecom_sandbox.read("state")["calls"][CONTACTS] >= resumed.pages
    same_as_wecom(wecom_sandbox)
    gone = Contact.unsafe_all.get(status="deleted_by_agent")
    assert gone.customer.external_userid == step["ExternalUserID"]


@pytest.fixture
def small_pages(monkeypatch):
    """Pages of twenty, so that the small world has several."""
    monkeypatch.setattr(contact_calls, "CONTACTS_PER_PAGE", 20)


def test_a_cursor_that_expired_starts_its_part_again(wecom_sandbox, small_pages):
    fault = wecom_sandbox.fault(CONTACTS, "http_500", page=3)
    run = sync("customers")["customers"]
    assert run.pages == 2
    wecom_sandbox.control("faults", verb="DELETE", id=fault)
    wecom_sandbox.control("cursors")
    resumed = sync()["customers"]
    assert (resumed.pk, resumed.state) == (run.pk, "done")
    assert resumed.rows == Contact.unsafe_all.count()
    same_as_wecom(wecom_sandbox)


def test_a_refusal_fails_the_run_and_the_next_one_starts_afresh(wecom_sandbox):
    fault = wecom_sandbox.fault(CONTACTS, "errcode", errcode=60011)
    run = sync("customers")["customers"]
    assert (run.state, run.error) == ("failed", "60011")
    assert run.error_words == "员工或部门不在应用可见范围内（企业微信错误 60011）"
    assert not StagedPage.objects.exists()
    wecom_sandbox.control("faults", verb="DELETE", id=fault)
    assert sync("customers")["customers"].pk != run.pk


def test_one_object_that_fails_does_not_hold_up_the_others(wecom_sandbox):
    wecom_sandbox.fault("externalcontact/get_corp_tag_list", "errcode", errcode=48002)
    runs = sync()
    assert {name for name, run in runs.items() if run.state == "failed"} == {"tags"}
    assert Contact.unsafe_all.exists()


def test_a_friend_added_while_pages_are_read_is_not_taken_for_missing(
    client, wecom_sandbox, small_pages
):
    sync()
    fault = wecom_sandbox.fault(CONTACTS, "http_500", page=3)
    sync("customers")
    step = wecom_sandbox.step("add")  # Perhaps before the page that is still to come.
    take(client, wecom_sandbox.read("callbacks")[0]["xml"])
    wecom_sandbox.control("faults", verb="DELETE", id=fault)
    sync("customers")
    contact = Contact.unsafe_all.get(customer__external_userid=step["ExternalUserID"])
    assert contact.status == "active"


def test_an_empty_directory_retires_nobody(wecom_sandbox, monkeypatch):
    sync()
    monkeypatch.setattr(Client, "members", lambda self, department: [])
    assert sync("members")["members"].state == "failed"
    assert Agent.unsafe_all.active().count() >= 6


def test_a_due_object_gets_its_turn_and_a_fresh_one_does_not(wecom_sandbox):
    assert len(actions.sync_due_objects()) == len(actions.SyncObject.values)
    assert actions.sync_due_objects() == []
    later = timezone.now() + timedelta(minutes=31)
    assert {run.object for run in actions.sync_due_objects(clock=lambda: later)} == set(PEOPLE)


@pytest.mark.django_db(transaction=True)
def test_only_one_sync_runs_at_a_time(wecom_sandbox):
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", [actions._ONE_SYNC_LOCK])
        with pytest.raises(actions.SyncBusy):
            actions.sync_objects(["tags"])
        assert actions.sync_due_objects() == []
        assert tasks.sync_now() == 0
    finally:
        other.close()
    eventually(lambda: len(actions.sync_due_objects()) == len(actions.SyncObject.values))


@pytest.mark.django_db(transaction=True)
def test_a_killed_sync_goes_on_where_it_was(wecom_sandbox, process_environment, small_pages):
    environment = process_environment | {
        "WECOM_BASE_URL": wecom_sandbox.url,
        "WECOM_CORP_ID": wecom_sandbox.corp_id,
        "WECOM_SECRET": wecom_sandbox.secret,
    }
    wecom_sandbox.fault("externalcontact/groupchat/get", "delay", delay=20, skip=3)
    command = [sys.executable, str(ROOT / "manage.py"), "sync", "--full"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    eventually(
        lambda: SyncRun.objects.filter(object="groups", parts__isnull=False).exists(), timeout=30
    )
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wecom_sandbox.control("faults", verb="DELETE")
    interrupted = SyncRun.objects.get(object="groups")
    assert interrupted.state == "reading"
    eventually(actions.sync_due_objects)  # The dead process's lock goes with its connection.
    interrupted.refresh_from_db()
    assert interrupted.state == "done"
    same_as_wecom(wecom_sandbox)


def test_the_command_says_what_it_did_and_fails_when_it_did_not(wecom_sandbox, capsys):
    call_command("sync", "--object", "tags", "--object", "departments")
    out = capsys.readouterr().out
    assert "departments  done" in out and "tags         done" in out
    wecom_sandbox.fault("externalcontact/groupchat/list", "http_500")
    with pytest.raises(CommandError):
        call_command("sync", "--object", "groups")


def test_health_tells_the_last_success_and_the_last_error(wecom_sandbox):
    before = sync_health(timezone.now())
    assert (before.is_good, before.complete_since) == (False, None)
    sync(*actions.SyncObject.values)
    good = sync_health(timezone.now())
    assert good.is_good
    assert good.complete_since is not None
    wecom_sandbox.fault("externalcontact/get_corp_tag_list", "errcode", errcode=48002)
    sync("tags")
    bad = sync_health(timezone.now())
    assert (bad.is_good, bad.first_problem.object) == (False, "tags")
    soon = sync_health(timezone.now() + timedelta(hours=3))
    assert all(one.is_late for one in soon.objects if one.object in PEOPLE)
    late = sync_health(timezone.now() + timedelta(hours=19))  # Statistics are asked every six.
    assert all(one.is_late for one in late.objects)


def test_the_page_shows_each_object_and_lets_operators_ask_for_a_sync(
    client, wecom_sandbox, monkeypatch
):
    sync("tags")
    rings = []
    monkeypatch.setattr(tasks.sync_now, "apply_async", lambda **kwargs: rings.append(kwargs))
    client.force_login(make_user("operator"))
    page = client.get(reverse("crm:sync:health")).content.decode()
    assert "企业标签" in page and "客户与好友关系" in page
    fragment = client.get(reverse("crm:sync:health"), headers={"X-Changke-Poll": "1"})
    assert b"<html" not in fragment.content
    assert client.post(reverse("crm:sync:now")).status_code == 302
    assert len(rings) == 1
    client.force_login(make_user("agent"))
    assert client.get(reverse("crm:sync:health")).status_code == 403
