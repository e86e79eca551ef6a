"""The chat archive of the sandbox: consent, bell, encryption, sequence, media, its HTTP side."""

import base64
import hashlib
import http.client
import json

import pytest
from cryptography.exceptions import InvalidTag

from crm.wecom.sandbox.archive_bodies import KINDS
from crm.wecom.sandbox.archive_crypto import make_pair, unlock, unseal
from tests.crm.sandbox_calls import a_pair
from tests.sandbox_fixture import SandboxFailed

DAY = 86_400


@pytest.fixture
def pair(sandbox):
    token = sandbox.access_token()
    agents = sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]
    userid, external_userid = a_pair(sandbox, token, agents)
    return {"userid": userid, "external_userid": external_userid}


def pull(sandbox, seq=0, limit=1000):
    answer = sandbox.read("archive", seq=seq, limit=limit)
    assert answer["errcode"] == 0, answer
    return answer["chatdata"]


def opened(sandbox, rows):
    """What a receiver reads with the private keys it has kept."""
    keys = {key["publickey_ver"]: key["private_key"] for key in sandbox.read("archive/key")}
    return [
        json.loads(
            unseal(
                unlock(keys[row["publickey_ver"]], row["encrypt_random_key"]),
                row["encrypt_chat_msg"],
            )
        )
        for row in rows
    ]


def told(sandbox, kind):
    return sum(kind in row["event"] for row in sandbox.read("callbacks"))


def test_nothing_is_kept_before_the_customer_agrees(sandbox, pair):
    assert sandbox.step("message", **pair)["archived"] is False
    assert pull(sandbox) == []
    agreed = sandbox.step("agree", **pair)
    assert agreed["ChangeType"] == "msg_audit_approved"
    welcome = sandbox.post(
        "externalcontact/send_welcome_msg",
        sandbox.access_token(),
        welcome_code=agreed["WelcomeCode"],
        text={"content": "谢谢"},
    )
    assert welcome["errcode"] == 0
    sandbox.step("message", **pair, content="国庆三亚还有房吗？")
    sandbox.step("message", **pair, sender="member")
    first, asked, answered = opened(sandbox, pull(sandbox))
    assert first["agree"]["userid"] == pair["userid"]
    assert (asked["from"], asked["tolist"]) == (pair["external_userid"], [pair["userid"]])
    assert asked["text"]["content"] == "国庆三亚还有房吗？"
    assert asked["msgid"].endswith("_external")
    assert answered["from"] == pair["userid"]
    sandbox.step("disagree", **pair)
    assert sandbox.step("message", **pair)["archived"] is False


def test_every_kind_of_the_reference_is_served_and_reads_as_it_was_said(sandbox, pair):
    made = sandbox.step("archive_all", **pair)
    rows = pull(sandbox)
    assert [row["seq"] for row in rows] == made["seqs"]
    read = opened(sandbox, rows)
    assert read == [row["message"] for row in sandbox.read("archive/plain")]
    assert [message.get("msgtype") for message in read] == [*KINDS, None]
    by_kind = {message.get("msgtype", message["action"]): message for message in read}
    assert by_kind["revoke"]["action"] == "recall"
    assert by_kind["revoke"]["revoke"]["pre_msgid"] == by_kind["image"]["msgid"]
    assert "redpacket" in by_kind["external_redpacket"]
    assert "doc" in by_kind["docmsg"]
    assert by_kind["switch"]["user"] == pair["userid"]
    assert json.loads(by_kind["mixed"]["mixed"]["item"][0]["content"])["content"]


def test_pages_follow_the_sequence_over_its_gaps(sandbox):
    sandbox.step("archive_fill", messages=300)
    seen, seq = [], 0
    while rows := pull(sandbox, seq, limit=70):
        assert rows[0]["seq"] > seq
        seen += [row["msgid"] for row in rows]
        seq = rows[-1]["seq"]
    assert len(seen) == len(set(seen)) == 300
    assert seq > 300
    assert sandbox.read("archive", seq=0, limit=1001)["errcode"] == 301058
    sandbox.control("settings", archive_bytes=2000)
    assert sandbox.read("archive", seq=0, limit=100)["errcode"] == 301058
    assert len(pull(sandbox, limit=1)) == 1


def test_messages_are_lost_after_five_days(sandbox, pair):
    sandbox.step("agree", **pair)
    sandbox.control("clock", advance=5 * DAY + 60)
    sandbox.step("message", **pair)
    assert [m["msgtype"] for m in opened(sandbox, pull(sandbox))] == ["text"]


def test_each_message_names_the_key_it_was_locked_with(sandbox, pair):
    sandbox.step("agree", **pair)
    sandbox.control("archive/key")
    sandbox.step("message", **pair)
    public, private = make_pair()
    sandbox.control("archive/key", public_key=public)
    sandbox.step("message", **pair, content="只有收件人能读")
    rows = pull(sandbox)
    assert [row["publickey_ver"] for row in rows] == [1, 2, 3]
    assert len(opened(sandbox, rows[:2])) == 2
    assert sandbox.read("archive/key")[2]["private_key"] == ""
    text_key = unlock(private, rows[2]["encrypt_random_key"])
    assert "只有收件人能读" in unseal(text_key, rows[2]["encrypt_chat_msg"])
    with pytest.raises(InvalidTag):
        unseal(text_key, rows[1]["encrypt_chat_msg"])
    with pytest.raises(SandboxFailed, match="public key"):
        sandbox.control("archive/key", public_key="nonsense")


def test_the_bell_rings_at_most_every_fifteen_seconds(sandbox, pair):
    sandbox.step("agree", **pair)
    sandbox.step("message", **pair, count=5)
    assert told(sandbox, "msgaudit_notify") == 1
    sandbox.control("clock", advance=16)
    assert told(sandbox, "msgaudit_notify") == 2
    sandbox.control("clock", advance=60)
    assert told(sandbox, "msgaudit_notify") == 2


def test_media_come_in_slices_until_they_expire(sandbox, pair):
    sandbox.step("agree", **pair)
    sandbox.step("archive_all", **pair)
    said = {row["message"].get("msgtype"): row["message"] for row in sandbox.read("archive/plain")}
    video = said["video"]["video"]
    parts, index, finished = [], "", 0
    while not finished:
        part = sandbox.read("archive/media", sdkfileid=video["sdkfileid"], indexbuf=index)
        parts.append(base64.b64decode(part["data"]))
        index, finished = part["outindexbuf"], part["is_finish"]
    content = b"".join(parts)
    assert [len(part) for part in parts[:-1]] == [512 * 1024] * 2
    assert len(content) == video["filesize"]
    assert hashlib.md5(content).hexdigest() == video["md5sum"]
    assert sandbox.read("archive/media", sdkfileid="sdk0")["errcode"] == 10005
    sandbox.control("clock", advance=5 * DAY + 60)
    gone = sandbox.read("archive/media", sdkfileid=video["sdkfileid"])
    assert gone["errcode"] == 10010


def test_the_transport_has_bad_days_like_the_api(sandbox, pair):
    sandbox.step("agree", **pair)
    sandbox.fault("archive", "errcode", errcode=301053, count=1)
    sandbox.fault("archive", "drop", count=1)
    assert sandbox.read("archive", seq=0)["errcode"] == 301053
    with pytest.raises((OSError, http.client.HTTPException)):
        sandbox.read("archive", seq=0)
    assert len(pull(sandbox)) == 1


def test_groups_keep_what_consenting_customers_and_members_say(sandbox):
    world = sandbox.read("world")
    chat_id, who = next(
        (chat, member) for chat, member, kind, _ in world["group_members"] if kind == 2
    )
    there = {"chat_id": chat_id, "external_userid": who}
    assert sandbox.step("message", **there)["archived"] is False
    sandbox.step("agree", **there)
    said = sandbox.step("message", **there)
    assert (said["roomid"], said["from"]) == (chat_id, who)
    assert len(said["tolist"]) > 1
    assert sandbox.step("message", chat_id=chat_id, sender="member")["archived"] is True
    answer = sandbox.post("msgaudit/check_room_agree", sandbox.archive_token(), roomid=chat_id)
    status = {row["exteranalopenid"]: row["agree_status"] for row in answer["agreeinfo"]}
    assert status.pop(who) == "Agree"
    assert set(status.values()) <= {"Disagree"}


def test_consent_is_asked_for_with_the_archives_own_secret(sandbox, pair):
    ours = sandbox.archive_token()
    info = {"userid": pair["userid"], "exteranalopenid": pair["external_userid"]}

    def asked(token, *info):
        return sandbox.post("msgaudit/check_single_agree", token, info=list(info))

    assert asked(ours, info)["agreeinfo"][0]["agree_status"] == "Disagree"
    sandbox.step("agree", **pair)
    (row,) = asked(ours, info)["agreeinfo"]
    assert (row["agree_status"], row["exteranalopenid"]) == ("Agree", pair["external_userid"])
    assert row["status_change_time"] > 0
    assert asked(ours, *[info] * 101)["errcode"] == 301060
    assert asked(sandbox.access_token(), info)["errcode"] == 48002
    follow = sandbox.get("externalcontact/get_follow_user_list", access_token=ours)
    assert follow["errcode"] == 48002
    permitted = sandbox.post("msgaudit/get_permit_user_list", ours)["ids"]
    assert pair["userid"] in permitted


def test_only_rooms_of_colleagues_can_be_asked_about(sandbox):
    token = sandbox.archive_token()
    room = sandbox.step("room_create", name="产品组")["roomid"]
    shown = sandbox.post("msgaudit/groupchat/get", token, roomid=room)
    assert (shown["roomname"], len(shown["members"])) == ("产品组", 1)
    chat_id = sandbox.read("world")["groups"][0]["chat_id"]
    refused = sandbox.post("msgaudit/groupchat/get", token, roomid=chat_id)
    assert refused["errcode"] == 301059
    robot = sandbox.get("msgaudit/get_robot_info", access_token=token, robot_id="wbsandbox")
    assert robot["data"]["robot_id"] == "wbsandbox"
