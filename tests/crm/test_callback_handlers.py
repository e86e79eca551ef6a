"""What callbacks come to, against the sandbox: present state and facts, in any order."""

import random
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from crm.callbacks import actions, tasks
from crm.callbacks.models import InboxEvent
from crm.customers.models import Contact, Customer, Tag
from crm.groups.models import Group, Membership
from crm.shared.times import from_unix
from crm.timeline.models import Fact
from tests.crm.wecom_helpers import event_xml, present, story, take, told

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch, wecom_sandbox):
    monkeypatch.setattr(tasks, "_silent_until", float("inf"))


def later(sandbox, seconds: int = 600) -> None:
    sandbox.control("clock", advance=seconds)


def kinds(customer: Customer | None = None) -> list[str]:
    facts = Fact.unsafe_all.order_by("at", "pk")
    if customer:
        facts = facts.filter(customer=customer)
    return list(facts.values_list("kind__code", flat=True))


def newest(sandbox) -> str:
    return sandbox.read("callbacks")[0]["xml"]


def test_an_added_friend_becomes_a_customer_with_channel_and_fact(client, wecom_sandbox):
    step = wecom_sandbox.step("add", userid="li.ting", state="store-code", name="王小明")
    take(client, newest(wecom_sandbox))
    customer = Customer.unsafe_all.get(external_userid=step["ExternalUserID"])
    assert (customer.name, customer.is_friend) == ("王小明", True)
    assert customer.channel.code == "store-code"
    assert "wxm" in customer.search
    contact = Contact.unsafe_all.get()
    assert (contact.agent.userid, contact.status) == ("li.ting", "active")
    assert contact.agent.name != "li.ting"  # The directory was asked.
    fact = Fact.unsafe_all.get()
    assert fact.at == contact.added_at == customer.friend_since
    assert fact.source_key == f"{customer.external_userid}:li.ting:{int(fact.at.timestamp())}"
    assert fact.channel == customer.channel


def test_a_customer_who_deletes_the_agent_is_no_friend_although_still_listed(client, wecom_sandbox):
    step = wecom_sandbox.step("add")
    take(client, newest(wecom_sandbox))
    later(wecom_sandbox)
    pair = {"userid": step["UserID"], "external_userid": step["ExternalUserID"]}
    wecom_sandbox.step("delete_by_customer", **pair)
    take(client, newest(wecom_sandbox))
    contact = Contact.unsafe_all.get()
    assert contact.status == "deleted_by_customer"
    assert contact.ended_at - contact.added_at >= timedelta(seconds=600)
    assert not Customer.unsafe_all.get().is_friend
    assert kinds() == ["friend_added", "friend_deleted_by_customer"]


def test_a_friend_who_comes_back_is_active_again_with_a_new_start(client, wecom_sandbox):
    step = wecom_sandbox.step("add")
    pair = {"userid": step["UserID"], "external_userid": step["ExternalUserID"]}
    take(client, newest(wecom_sandbox))
    for ending, kind in (
        ("delete_by_customer", "friend_deleted_by_customer"),
        ("delete_by_agent", "friend_deleted_by_agent"),
    ):
        later(wecom_sandbox)
        wecom_sandbox.step(ending, **pair)
        take(client, newest(wecom_sandbox))
        assert Contact.unsafe_all.get().status == kind.removeprefix("friend_")
        later(wecom_sandbox)
        wecom_sandbox.step("add", **pair)
        take(client, newest(wecom_sandbox))
        contact = Contact.unsafe_all.get()
        assert (contact.status, contact.ended_at) == ("active", None)
        assert kinds()[-2:] == [kind, "friend_added"]
    customer = Customer.unsafe_all.get()
    assert customer.is_friend
    assert customer.friend_since < contact.added_at


def test_a_transfer_is_told_apart_from_a_deletion(client, wecom_sandbox):
    step = wecom_sandbox.step("add")
    take(client, newest(wecom_sandbox))
    moved = event_xml(
        CreateTime=int(timezone.now().timestamp()) + 60,
        Event="change_external_contact",
        ChangeType="del_external_contact",
        UserID=step["UserID"],
        ExternalUserID=step["ExternalUserID"],
        Source="DELETE_BY_TRANSFER",
    )
    take(client, moved)
    assert Contact.unsafe_all.get().status == "transferred"
    assert kinds() == ["friend_added", "friend_transferred"]


def test_a_half_added_friend_counts_only_when_the_agent_has_confirmed(client, wecom_sandbox):
    step = wecom_sandbox.step("add_half")
    take(client, newest(wecom_sandbox))
    assert InboxEvent.objects.get().state == "ignored"
    assert not Contact.unsafe_all.exists()
    later(wecom_sandbox)
    wecom_sandbox.step(
        "complete_half", userid=step["UserID"], external_userid=step["ExternalUserID"]
    )
    take(client, newest(wecom_sandbox))
    assert Contact.unsafe_all.get().status == "active"
    assert kinds() == ["friend_added"]


def test_an_edit_brings_remark_and_tags_with_facts(client, wecom_sandbox):
    step = wecom_sandbox.step("add")
    pair = {"userid": step["UserID"], "external_userid": step["ExternalUserID"]}
    take(client, newest(wecom_sandbox))
    later(wecom_sandbox)
    wecom_sandbox.step("edit", **pair)
    take(client, newest(wecom_sandbox))  # The tag is new to us: the catalogue is read.
    contact = Contact.unsafe_all.get()
    [tag] = contact.tags.all()
    assert Customer.unsafe_all.get().tag_ids == [tag.pk]
    later(wecom_sandbox)
    wecom_sandbox.step("edit", **pair, remark="三亚亲子", remove_tag=[tag.wecom_id])
    take(client, newest(wecom_sandbox))
    contact.refresh_from_db()
    assert contact.remark == "三亚亲子"
    assert Customer.unsafe_all.get().tag_ids == []
    assert kinds() == ["friend_added", "tag_added", "tag_removed"]


def test_tags_are_renamed_and_switched_off_but_never_deleted(client, wecom_sandbox):
    wecom_sandbox.step("tag_create")
    take(client, newest(wecom_sandbox))
    tag = Tag.objects.order_by("pk").first()
    wecom_sandbox.step("tag_update", tag_id=tag.wecom_id, name="海岛控")
    take(client, newest(wecom_sandbox))
    tag.refresh_from_db()
    assert tag.name == "海岛控"
    wecom_sandbox.step("tag_delete", tag_id=tag.wecom_id)
    take(client, newest(wecom_sandbox))
    tag.refresh_from_db()
    assert tag.is_deleted


def test_a_customer_who_writes_makes_a_fact(client, wecom_sandbox):
    wecom_sandbox.step("chat", count=1)
    take(client, newest(wecom_sandbox), newest(wecom_sandbox))
    customer = Customer.unsafe_all.get()
    relations = customer.contacts.count()  # Whoever is drawn may know several agents.
    assert sorted(kinds()) == ["friend_added"] * relations + ["message_received"]
    assert customer.last_message_at == Fact.unsafe_all.get(kind__code="message_received").at


def test_a_group_is_read_with_everybody_in_it(client, wecom_sandbox):
    step = wecom_sandbox.step("group_join")
    take(client, newest(wecom_sandbox))
    group = Group.unsafe_all.get()
    world = wecom_sandbox.read("world")
    assert group.chat_id == step["ChatId"]
    assert group.customer_count + group.agent_count == Membership.unsafe_all.current().count()
    assert group.member_version == step["CurMemVer"]
    assert world
    joined = Fact.unsafe_all.filter(kind__code="group_joined").values_list("at", flat=True)
    stays = Membership.unsafe_all.filter(customer__isnull=False).values_list("joined_at", flat=True)
    assert sorted(joined) == sorted(stays)
    assert Customer.unsafe_all.filter(group_count=1).count() == len(stays)


def test_who_leaves_a_group_has_left_at_the_time_of_the_event(client, wecom_sandbox):
    wecom_sandbox.step("group_join")
    take(client, newest(wecom_sandbox))
    later(wecom_sandbox)
    group = Group.unsafe_all.get()
    step = wecom_sandbox.step("group_leave", chat_id=group.chat_id)
    take(client, newest(wecom_sandbox))
    [gone] = step["MemChangeList"]
    stay = Membership.unsafe_all.get(userid=gone, left_at__isnull=False)
    fact = Fact.unsafe_all.get(kind__code="group_left")
    assert fact.at == stay.left_at > stay.joined_at
    assert stay.quit_scene == 0
    assert stay.customer.group_count == 0


def test_a_join_known_from_its_version_needs_no_second_look(client, wecom_sandbox):
    wecom_sandbox.step("group_join")
    event = newest(wecom_sandbox)
    take(client, event)
    before = wecom_sandbox.read("state")["calls"]["externalcontact/groupchat/get"]
    take(client, event.replace("</xml>", "<Again>1</Again></xml>"))
    assert wecom_sandbox.read("state")["calls"]["externalcontact/groupchat/get"] == before
    assert InboxEvent.objects.filter(state="done").count() == 2


def test_a_renamed_group_has_its_new_name_and_a_dismissed_one_nobody_in_it(client, wecom_sandbox):
    step = wecom_sandbox.step("group_rename", name="三亚 5 日群")
    take(client, newest(wecom_sandbox))
    group = Group.unsafe_all.get()
    assert group.name == "三亚 5 日群"
    later(wecom_sandbox)
    wecom_sandbox.step("group_dismiss", chat_id=step["ChatId"])
    take(client, newest(wecom_sandbox))
    group.refresh_from_db()
    assert group.dismissed_at is not None
    assert not Membership.unsafe_all.current().exists()
    stays = Membership.unsafe_all.filter(customer__isnull=False).count()
    assert Fact.unsafe_all.filter(kind__code="group_left").count() == stays


def test_one_person_with_one_unionid_is_one_customer(client, wecom_sandbox):
    step = wecom_sandbox.step("add")
    external_userid = step["ExternalUserID"]
    token = wecom_sandbox.access_token()
    seen = wecom_sandbox.get(
        "externalcontact/get", access_token=token, external_userid=external_userid
    )
    imported = Customer.unsafe_all.create(
        name="会员 8", customer_no="M8", unionid=seen["external_contact"]["unionid"]
    )
    take(client, newest(wecom_sandbox))
    customer = Customer.unsafe_all.get()
    assert customer.pk == imported.pk
    assert (customer.external_userid, customer.customer_no) == (external_userid, "M8")
    assert customer.is_friend


def test_evidence_that_contradicts_itself_merges_nobody_and_is_written_down(client, wecom_sandbox):
    step = wecom_sandbox.step("add")
    token = wecom_sandbox.access_token()
    seen = wecom_sandbox.get(
        "externalcontact/get", access_token=token, external_userid=step["ExternalUserID"]
    )
    other = Customer.unsafe_all.create(
        name="另一位", external_userid="wmOther", unionid=seen["external_contact"]["unionid"]
    )
    take(client, newest(wecom_sandbox))
    customer = Customer.unsafe_all.get(external_userid=step["ExternalUserID"])
    assert customer.unionid is None
    [conflict] = customer.identity_conflicts.all()
    assert (conflict.kind, conflict.other) == ("unionid_taken", other)


def play(sandbox) -> None:
    """A busy day: people add, delete both ways, come back, are tagged, join and leave."""
    pairs = [sandbox.step("add") for _ in range(6)]
    for step in pairs:
        later(sandbox, 60)
        pair = {"userid": step["UserID"], "external_userid": step["ExternalUserID"]}
        sandbox.step("edit", **pair, remark=f"备注{step['UserID']}"[:20])
    keys = [{"userid": s["UserID"], "external_userid": s["ExternalUserID"]} for s in pairs]
    for pair, ending in zip(keys, ["delete_by_customer", "delete_by_agent"] * 2, strict=False):
        later(sandbox, 60)
        sandbox.step(ending, **pair)
    for pair in keys[:2]:
        later(sandbox, 60)
        sandbox.step("add", **pair)
    later(sandbox, 60)
    sandbox.step("delete_by_agent", **keys[0])
    chats = [sandbox.step("group_join", external_userid=pair["external_userid"]) for pair in keys]
    for pair, chat in zip(keys[:3], chats, strict=False):
        later(sandbox, 60)
        sandbox.step("group_leave", chat_id=chat["ChatId"], external_userid=pair["external_userid"])
    later(sandbox, 60)
    sandbox.step(
        "group_join", chat_id=chats[0]["ChatId"], external_userid=keys[0]["external_userid"]
    )
    later(sandbox, 60)
    sandbox.step("chat", count=3)
    later(sandbox, 60)
    sandbox.step("group_dismiss")


def retold(client, messages: list[str]) -> tuple:
    """What is there after these messages, and then everything is undone."""
    sid = transaction.savepoint()
    take(client, *messages)
    states = set(InboxEvent.objects.values_list("state", flat=True))
    assert states <= {"done", "ignored"}
    after = present(), story()
    transaction.savepoint_rollback(sid)
    return after


def differences(one: tuple, other: tuple) -> dict[str, tuple[set, set]]:
    """What only one of two endings has, by part."""
    parts = {**one[0], "story": one[1]}, {**other[0], "story": other[1]}
    only = {name: (set(parts[0][name]), set(parts[1][name])) for name in parts[0]}
    return {name: (a - b, b - a) for name, (a, b) in only.items() if a != b}


def test_duplicates_and_any_order_end_in_the_same_state(client, wecom_sandbox):
    play(wecom_sandbox)
    messages = told(wecom_sandbox)
    in_order = retold(client, messages)
    assert len(in_order[1]) > 20
    dice = random.Random(7)
    for _ in range(4):
        shuffled = messages + dice.choices(messages, k=len(messages) // 5)
        dice.shuffle(shuffled)
        found = differences(retold(client, shuffled), in_order)
        assert found == {}


def test_told_at_once_or_later_the_story_is_the_same(client, wecom_sandbox):
    steps = ["add", "group_join", "delete_by_agent", "delete_by_customer", "add", "chat"]
    for kind in steps:
        later(wecom_sandbox, 60)
        wecom_sandbox.step(kind)
        take(client, newest(wecom_sandbox))
    live = present()["contacts"], story()
    messages = told(wecom_sandbox)
    wipe()
    take(client, *messages)
    assert {row[:3] for row in present()["contacts"]} ^ {row[:3] for row in live[0]} == set()
    assert {fact[:2] for fact in story()} ^ {fact[:2] for fact in live[1]} == set()


def wipe() -> None:
    """Forget everything that came from callbacks."""
    for model in (Fact, Membership, Group, Contact, Customer):
        model.unsafe_all.all().delete()
    InboxEvent.objects.all().delete()


def test_an_older_answer_never_overwrites_a_newer_one(client, wecom_sandbox):
    from crm import wecom
    from crm.customers.actions import apply_contacts

    step = wecom_sandbox.step("add")
    pair = {"userid": step["UserID"], "external_userid": step["ExternalUserID"]}
    asked_early = timezone.now()
    old = wecom.client().contact(step["ExternalUserID"])
    wecom_sandbox.step("edit", **pair, remark="新备注", add_tag=[])
    take(client, newest(wecom_sandbox))
    apply_contacts([old], asked_at=asked_early, now=timezone.now())
    assert Contact.unsafe_all.get().remark == "新备注"


def test_the_instant_of_an_event_is_kept(client, wecom_sandbox):
    take(client, event_xml(CreateTime=1735689600, Event="subscribe"))
    assert InboxEvent.objects.get().happened_at == from_unix(1735689600)


def test_two_hundred_events_are_worked_off_quickly(client, wecom_sandbox):
    wecom_sandbox.step("add", count=30)
    take(client, *told(wecom_sandbox))
    assert actions.work_inbox() == 0
    assert Contact.unsafe_all.current().count() == 30
