"""What the sync puts right is written down, counted, and shown within the viewer's scope."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.callbacks import tasks as callback_tasks
from crm.customers.models import Contact, Tag
from crm.groups.models import Group, Membership
from crm.sync import actions, queries, reconciling, tasks
from crm.sync.models import Reconcile, Repair, SyncRun
from crm.sync.words import state_words
from tests.crm.wecom_helpers import PEOPLE, take, told
from tests.factories import make_agent, make_department, make_friend, make_user

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch, wecom_sandbox):
    monkeypatch.setattr(callback_tasks, "_silent_until", float("inf"))


def sync(*objects: str) -> dict[str, SyncRun]:
    runs = actions.sync_objects(objects or PEOPLE)
    return {run.object: run for run in runs}


def kinds() -> list[str]:
    return sorted(Repair.unsafe_all.values_list("kind", flat=True))


def pair_of(contact: Contact) -> dict[str, str]:
    return {
        "userid": contact.agent.userid,
        "external_userid": contact.customer.external_userid,
    }


def a_contact() -> Contact:
    return Contact.unsafe_all.current().select_related("agent", "customer").first()


def test_the_first_sync_repairs_nothing_because_nothing_was_wrong(wecom_sandbox):
    runs = sync()
    assert {run.repaired for run in runs.values()} == {0}
    assert not Repair.unsafe_all.exists()


def test_callbacks_that_came_leave_nothing_to_repair(client, wecom_sandbox):
    sync()
    for kind in ("add", "edit", "group_join", "group_leave", "group_rename", "tag_create"):
        wecom_sandbox.step(kind)
    take(client, *told(wecom_sandbox))
    assert sum(run.repaired for run in sync().values()) == 0


def test_a_friend_whom_no_callback_told_of_is_a_repair_with_the_time_of_wecom(wecom_sandbox):
    sync()
    step = wecom_sandbox.step("add")
    assert sync("customers")["customers"].repaired == 1
    repair = Repair.unsafe_all.get()
    contact = Contact.unsafe_all.get(customer__external_userid=step["ExternalUserID"])
    assert (repair.kind, repair.customer_id, repair.agent_id) == (
        *("relation_missing", contact.customer_id, contact.agent_id),
    )
    assert (repair.wrong_since_at, repair.is_since_exact) == (contact.added_at, True)
    assert repair.before == {}


def test_a_relation_that_is_gone_says_between_which_looks_it_went(wecom_sandbox):
    first = sync()["customers"]
    lost = a_contact()
    wecom_sandbox.step("delete_by_agent", **pair_of(lost))
    sync("customers")
    repair = Repair.unsafe_all.get()
    assert (repair.kind, repair.customer_id) == ("relation_gone", lost.customer_id)
    assert (repair.wrong_since_at, repair.is_since_exact) == (first.started_at, False)
    assert "没有人看到" in state_words(repair.after)


def test_tags_and_notes_are_told_by_name_and_the_note_itself_is_not_kept(wecom_sandbox):
    sync()
    contact, tag = a_contact(), Tag.objects.filter(contacts=None).first() or Tag.objects.last()
    wecom_sandbox.step("edit", **pair_of(contact), remark="怀孕三个月", add_tag=[tag.wecom_id])
    sync("customers")
    assert kinds() == ["note", "tags"]
    told_of = Repair.unsafe_all.get(kind="tags")
    assert set(told_of.after["tags"]) - set(told_of.before["tags"]) == {tag.name}
    assert "怀孕" not in json.dumps(
        list(Repair.unsafe_all.values("before", "after")), ensure_ascii=False
    )


def test_each_difference_of_a_group_has_its_kind(wecom_sandbox):
    sync()
    groups = list(Group.unsafe_all.current().order_by("pk")[:4])
    member = Membership.unsafe_all.current().filter(group=groups[0], customer__isnull=False).first()
    wecom_sandbox.step("group_leave", chat_id=groups[0].chat_id, external_userid=member.userid)
    wecom_sandbox.step("group_join", chat_id=groups[1].chat_id)
    wecom_sandbox.step("group_rename", chat_id=groups[2].chat_id)
    wecom_sandbox.step("group_dismiss", chat_id=groups[3].chat_id)
    wecom_sandbox.step("group_create")
    run = sync("groups")["groups"]
    assert kinds() == [
        *("group_details", "group_gone", "group_missing", "member_gone", "member_missing"),
    ]
    assert run.repaired == 5
    left = Repair.unsafe_all.get(kind="member_gone")
    assert (left.customer_id, left.group_id) == (member.customer_id, groups[0].pk)


def test_the_catalogue_of_tags_is_repaired_tag_by_tag(wecom_sandbox):
    sync()
    renamed, deleted = Tag.objects.filter(is_deleted=False).order_by("pk")[:2]
    wecom_sandbox.step("tag_update", tag_id=renamed.wecom_id, name="亲子 2")
    wecom_sandbox.step("tag_delete", tag_id=deleted.wecom_id)
    wecom_sandbox.step("tag_create", name="潜水")
    sync("tags")
    changes = {(row.before.get("name"), row.after.get("name")) for row in Repair.unsafe_all.all()}
    assert changes == {(renamed.name, "亲子 2"), (deleted.name, None), (None, "潜水")}


def test_a_failed_run_repairs_nothing_and_the_next_one_repairs_once(wecom_sandbox):
    sync()
    wecom_sandbox.step("add")
    fault = wecom_sandbox.fault("externalcontact/batch/get_by_user", "http_500")
    sync("customers")
    assert not Repair.unsafe_all.exists()
    wecom_sandbox.control("faults", verb="DELETE", id=fault)
    sync("customers")
    sync("customers")
    assert kinds() == ["relation_missing"]


def test_counts_agree_with_wecom_and_what_differs_has_a_reason(client, wecom_sandbox):
    runs = sync()
    listed = [row for row in wecom_sandbox.read("world")["relations"] if row["lost_by"] != "agent"]
    assert runs["customers"].remote_rows == len([row for row in listed if not row["half"]])
    assert runs["customers"].remains == []
    for run in runs.values():
        unexplained = run.local_rows - run.remote_rows
        assert unexplained == 0 or run.remains, run.object
    contact = a_contact()
    wecom_sandbox.step("delete_by_customer", **pair_of(contact))
    take(client, wecom_sandbox.read("callbacks")[0]["xml"])
    run = sync("customers")["customers"]
    assert run.remote_rows - run.local_rows == 1
    assert run.remains == [{"reason": "still_listed", "count": 1, "ids": [contact.customer_id]}]


def night(days: int = 1) -> timezone.datetime:
    """A quarter to four in the morning, so many days on."""
    return reconciling.next_turn(timezone.now()) + timedelta(days=days - 1, minutes=15)


def test_the_night_reconciles_once_and_says_what_it_repaired(wecom_sandbox):
    assert not reconciling.is_due(night())  # Nothing to compare with yet.
    sync()
    wecom_sandbox.step("add", count=2)
    assert not reconciling.is_due(timezone.now())
    report = reconciling.reconcile_if_due(clock=night)
    assert (report.is_done, report.repairs) == (True, {"relation_missing": 2})
    assert reconciling.reconcile_if_due(clock=night) is None
    assert reconciling.is_due(night(2))


def test_an_interrupted_reconcile_goes_on_where_it_was(wecom_sandbox):
    sync()
    wecom_sandbox.step("add")
    fault = wecom_sandbox.fault("externalcontact/groupchat/list", "http_500")
    broken = reconciling.reconcile_all(trigger=Reconcile.Trigger.PERSON)
    assert not broken.is_done and broken.reconcile.finished_at is None
    wecom_sandbox.control("faults", verb="DELETE", id=fault)
    assert tasks.reconcile_if_due() == len(actions.SyncObject.values)
    assert Reconcile.objects.get().finished_at is not None
    assert SyncRun.objects.filter(object="customers", reconcile__isnull=False).count() == 1


def test_a_reconcile_throws_away_pages_that_were_asked_for_before_it(wecom_sandbox):
    fault = wecom_sandbox.fault("externalcontact/batch/get_by_user", "http_500")
    stale = sync("customers")["customers"]
    wecom_sandbox.control("faults", verb="DELETE", id=fault)
    report = reconciling.reconcile_all(trigger=Reconcile.Trigger.PERSON)
    stale.refresh_from_db()
    assert stale.state == "failed" and stale.pk not in {run.pk for run in report.runs}


def test_a_derived_column_that_was_changed_by_hand_is_recomputed(wecom_sandbox):
    sync()
    customer = a_contact().customer
    type(customer).unsafe_all.filter(pk=customer.pk).update(is_friend=False, group_count=99)
    report = reconciling.reconcile_all(trigger=Reconcile.Trigger.PERSON)
    customer.refresh_from_db()
    assert report.reconcile.derived == 1
    assert customer.is_friend and customer.group_count != 99


def test_the_command_prints_what_was_repaired(wecom_sandbox, capsys):
    sync()
    wecom_sandbox.step("add")
    call_command("sync", "--full", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["repaired"] == {"relation_missing": 1}
    assert {run["object"] for run in answer["runs"]} == set(actions.SyncObject.values)
    wecom_sandbox.step("add")
    call_command("sync", "--full")
    assert "relation_missing=1" in capsys.readouterr().out


def test_the_page_tells_state_error_remedy_and_repairs(client, wecom_sandbox):
    client.force_login(make_user("operator"))
    empty = client.get(reverse("crm:sync:health")).content.decode()
    assert "尚未开始" in empty and "还没有对账过" in empty
    sync()
    wecom_sandbox.step("add")
    reconciling.reconcile_all(trigger=Reconcile.Trigger.NIGHTLY)
    page = client.get(reverse("crm:sync:health"))
    good = page.content.decode()
    # Until noon a day without a word may be one that WeCom has not counted yet.
    left = {str(health.object) for health, _remains in page.context["differences"]}
    assert left <= {"agent_days", "owner_days"}
    assert "修复了 1 处" in good and ("行数一致" in good) is not bool(left)
    wecom_sandbox.fault("externalcontact/get_corp_tag_list", "errcode", errcode=60020)
    sync("tags")
    bad = client.get(reverse("crm:sync:health")).content.decode()
    assert "60020" in bad and "企业可信 IP" in bad


def test_an_operator_may_ask_for_one_object_and_a_wrong_name_is_refused(client, monkeypatch):
    rings = []
    monkeypatch.setattr(tasks.sync_now, "apply_async", lambda **kwargs: rings.append(kwargs))
    user = make_user("operator")
    client.force_login(user)
    client.post(reverse("crm:sync:now"), {"object": "tags"})
    assert rings[0]["kwargs"] == {"name": "tags", "user_id": user.pk}
    answer = client.post(reverse("crm:sync:now"), {"object": "everything"}, follow=True)
    assert len(rings) == 1 and "没有这个同步对象" in answer.content.decode()


def test_repairs_show_only_customers_within_scope(client):
    department = make_department(parent=make_department())
    own, foreign = make_agent(department=department), make_agent()
    mine, theirs = make_friend(own, name="归我"), make_friend(foreign, name="归他")
    for customer in (mine, theirs):
        Repair.unsafe_all.create(
            object="customers", kind="relation_gone", found_at=timezone.now(), customer=customer
        )
    client.force_login(make_user(Role.MANAGER, departments=[department]))
    page = client.get(reverse("crm:sync:repairs")).content.decode()
    assert "归我" in page and "归他" not in page
    address = f"{reverse('crm:sync:repairs')}?customer={theirs.pk}"
    assert "没有符合条件的修复" in client.get(address).content.decode()
    client.force_login(make_user(Role.OPERATOR))
    assert "归他" in client.get(address).content.decode()
    odd = client.get(reverse("crm:sync:repairs"), {"customer": "'", "object": "x", "kind": "\0"})
    assert odd.status_code == 200


def test_old_repairs_are_forgotten_and_new_ones_stay():
    now = timezone.now()
    for days in (1, 91):
        Repair.unsafe_all.create(
            object="tags", kind="catalogue", found_at=now - timedelta(days=days)
        )
    actions.forget_old_runs(now=now)
    assert Repair.unsafe_all.count() == 1


def test_a_feed_of_another_room_stands_among_the_objects(monkeypatch):
    now = timezone.now()
    late = queries.FeedState(
        last_success_at=now, late_after=timedelta(hours=1), lag=timedelta(hours=2)
    )
    feeds = [
        queries.Feed("archive", "会话存档", lambda _now: late),
        queries.Feed("unused", "未开通", lambda _now: None),
    ]
    monkeypatch.setattr(queries, "FEEDS", feeds)
    found = queries.sync_health(now)
    assert [one.object for one in found.objects][-1] == "archive"
    archive = found.objects[-1]
    assert (archive.level, archive.can_sync, archive.lag) == ("warn", False, timedelta(hours=2))
