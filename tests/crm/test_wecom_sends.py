"""Mass sends, welcomes, tags and transfers over the client, against the sandbox."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm import wecom
from crm.wecom.attachments import Attachment
from crm.wecom.mass_records import MassStatus
from crm.wecom.transfer_records import TransferStatus

pytestmark = pytest.mark.usefixtures("db")
LINK = Attachment.link("三亚 5 日", "https://travel.example/sanya", description="亲子酒店")


@pytest.fixture
def client(wecom_sandbox):
    return wecom.client()


@pytest.fixture
def friends(client):
    """An agent and the customers that nobody else serves."""
    followers = {}
    for contact in client.contacts_of(client.follow_users()):
        followers.setdefault(contact.customer.external_userid, []).append(
            contact.relations[0].userid
        )
    userid = max(client.follow_users(), key=lambda u: list(followers.values()).count([u]))
    return userid, [key for key, userids in followers.items() if userids == [userid]]


def an_hour_around():
    now = timezone.now()
    return now - timedelta(hours=1), now + timedelta(hours=1)


def test_a_mass_send_goes_from_creation_to_its_results(client, wecom_sandbox, friends):
    userid, customers = friends
    made = client.create_mass_send(
        sender=userid,
        external_userids=[*customers, "wmNobody"],
        text="国庆三亚套餐开放预订",
        attachments=[LINK],
    )
    assert made.unreachable == ("wmNobody",)
    with pytest.raises(wecom.RetryLater) as early:
        client.mass_send_tasks(made.msgid)
    assert early.value.code == 41063
    wecom_sandbox.control("clock", advance=4)
    [seen] = [m for m in client.mass_sends(*an_hour_around()) if m.msgid == made.msgid]
    assert (seen.text, seen.attachments, seen.is_personal, seen.creator) == (
        "国庆三亚套餐开放预订",
        (LINK,),
        False,
        "",
    )
    assert [(t.userid, t.is_sent, t.sent_at) for t in client.mass_send_tasks(made.msgid)] == [
        (userid, False, None)
    ]
    client.remind_mass_send(made.msgid)
    wecom_sandbox.step("send_mass", msgid=made.msgid)
    results = list(client.mass_send_results(made.msgid, userid))
    assert {row.external_userid for row in results} == set(customers)
    assert {row.status for row in results} <= {MassStatus.SENT, MassStatus.CAPPED}
    assert all((row.sent_at is not None) == (row.status == MassStatus.SENT) for row in results)
    assert client.mass_send_tasks(made.msgid)[0].is_sent


def test_a_cancelled_mass_send_may_be_cancelled_again(client, wecom_sandbox, friends):
    userid, customers = friends
    made = client.create_mass_send(sender=userid, external_userids=customers[:2], text="晚点再说")
    wecom_sandbox.control("clock", advance=4)
    client.cancel_mass_send(made.msgid)
    client.cancel_mass_send(made.msgid)
    assert {row.status for row in client.mass_send_results(made.msgid, userid)} == {
        MassStatus.WAITING
    }


def test_a_group_send_reaches_the_groups_of_its_owner(client, wecom_sandbox):
    group = client.group(client.groups()[0])
    made = client.create_group_send(sender=group.owner, chat_ids=[group.chat_id], text="明天出发")
    wecom_sandbox.control("clock", advance=4)
    wecom_sandbox.step("send_mass", msgid=made.msgid, share=1)
    [result] = client.mass_send_results(made.msgid, group.owner)
    assert (result.chat_id, result.external_userid) == (group.chat_id, "")
    seen = client.mass_sends(*an_hour_around(), chat_type="group")
    assert made.msgid in [m.msgid for m in seen]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"external_userids": []}, wecom.NothingToSend),
        ({"sender": ""}, wecom.NothingToSend),
        ({"text": ""}, wecom.NothingToSend),
        ({"external_userids": ["wm"] * 10_001}, wecom.OverLimit),
        ({"text": "好" * 1334}, wecom.OverLimit),
        ({"attachments": [LINK] * 10}, wecom.OverLimit),
        ({"attachments": [Attachment.link("长" * 43, "https://a.example")]}, wecom.OverLimit),
    ],
)
def test_what_wecom_would_misread_or_refuse_never_leaves_the_house(wecom_sandbox, given, error):
    right = {"sender": "li.ting", "external_userids": ["wm"], "text": "好"}
    with pytest.raises(error):
        wecom.client().create_mass_send(**right | given)
    assert "externalcontact/add_msg_template" not in wecom_sandbox.read("state")["calls"]


def test_a_limit_that_the_platform_has_changed_is_a_setting(wecom_sandbox, settings):
    settings.WECOM_LIMITS = {"message_bytes": 9}
    with pytest.raises(wecom.OverLimit, match="文字最多 9 字节，现有 12 字节"):
        wecom.client().create_mass_send(sender="a", external_userids=["wm"], text="四个汉字")


def test_a_welcome_code_works_once(client, wecom_sandbox):
    wecom_sandbox.step("add")
    event = wecom_sandbox.read("callbacks")[0]["xml"]
    code = event.split("<WelcomeCode><![CDATA[")[1].split("]]>")[0]
    client.send_welcome(code=code, text="你好，我是小李", attachments=[LINK])
    with pytest.raises(wecom.Refused) as used:
        client.send_welcome(code=code, text="你好")
    assert used.value.code == 41050
    [effect] = wecom_sandbox.ledger("externalcontact/send_welcome_msg")
    assert effect["body"]["attachments"][0]["link"]["desc"] == "亲子酒店"


def test_tags_are_put_on_one_relation_and_taken_off(client, friends):
    userid, customers = friends
    tags = [tag.wecom_id for group in client.corp_tags() for tag in group.tags]
    before = set(client.contact(customers[0]).relations[0].tag_ids)
    new = next(tag for tag in tags if tag not in before)
    client.mark_tags(userid=userid, external_userid=customers[0], add=[new])
    assert set(client.contact(customers[0]).relations[0].tag_ids) == before | {new}
    client.mark_tags(userid=userid, external_userid=customers[0], remove=[new])
    assert set(client.contact(customers[0]).relations[0].tag_ids) == before
    with pytest.raises(wecom.NothingToSend):
        client.mark_tags(userid=userid, external_userid=customers[0])


def test_a_transfer_starts_waits_and_is_done_after_a_day(client, wecom_sandbox, friends):
    wecom_sandbox.control("settings", refusals=0)
    userid, customers = friends
    heir = next(u for u in client.follow_users() if u != userid)
    pair = {"handover_userid": userid, "takeover_userid": heir}
    started = client.transfer_customers(
        **pair, external_userids=[customers[0], "wmNobody"], message="您的顾问已变更"
    )
    assert [(row.external_userid, row.code) for row in started] == [
        (customers[0], 0),
        ("wmNobody", 40096),
    ]
    [waiting] = client.transfer_results(**pair)
    assert (waiting.status, waiting.at) == (TransferStatus.WAITING, None)
    wecom_sandbox.control("clock", advance=25 * 3600)
    [done] = client.transfer_results(**pair)
    assert done.status == TransferStatus.DONE and done.at is not None


def test_customers_of_an_agent_who_left_are_unassigned_until_taken_over(
    client, wecom_sandbox, friends
):
    userid, customers = friends
    wecom_sandbox.step("member_leave", userid=userid)
    heir = next(u for u in client.follow_users() if u != userid)
    listed = {row.external_userid for row in client.unassigned() if row.userid == userid}
    assert set(customers) <= listed
    pair = {"handover_userid": userid, "takeover_userid": heir, "resigned": True}
    client.transfer_customers(**pair, external_userids=customers[:1])
    [seen] = client.transfer_results(**pair)
    assert seen.status == TransferStatus.WAITING
    assert customers[0] not in {row.external_userid for row in client.unassigned()}


def test_groups_change_hands_and_the_others_are_named_with_their_reason(client):
    group = client.group(client.groups()[0])
    heir = next(u for u in client.follow_users() if u != group.owner)
    failed = client.transfer_groups(chat_ids=[group.chat_id, "wrNobody"], owner=heir)
    assert [(row.chat_id, row.code) for row in failed] == [("wrNobody", 40050)]
    assert client.group(group.chat_id).owner == heir


@pytest.mark.parametrize(
    "attachment",
    [
        LINK,
        Attachment.image("m1"),
        Attachment.image(picture_url="https://img.example/a.png"),
        Attachment.miniprogram("国庆", app_id="wx0", page="p/1", media_id="m2"),
        Attachment.video("m3"),
        Attachment.file("m4"),
    ],
)
def test_an_attachment_comes_back_from_the_wire_as_it_went(attachment):
    assert Attachment.from_wire(attachment.to_wire()) == attachment
