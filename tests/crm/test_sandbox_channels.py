"""Channels of the sandbox: codes that lead to members, and whom they bring."""

import pytest

from tests.sandbox_fixture import SandboxFailed

DAY = 86_400


@pytest.fixture
def token(sandbox):
    return sandbox.access_token()


@pytest.fixture
def agents(sandbox, token):
    return sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]


def add_way(sandbox, token, **body):
    body = {"type": 2, "scene": 2, **body}
    return sandbox.post("externalcontact/add_contact_way", token, **body)


def way_of(sandbox, token, config_id):
    answer = sandbox.post("externalcontact/get_contact_way", token, config_id=config_id)
    return answer["contact_way"]


def followers(sandbox, token, external_userid):
    answer = sandbox.get("externalcontact/get", access_token=token, external_userid=external_userid)
    return answer["follow_user"]


def test_a_scan_of_a_contact_way_adds_one_of_its_members_with_its_state(sandbox, token, agents):
    made = add_way(sandbox, token, user=agents[:2], state="xhs-0715", remark="小红书 7 月")
    assert made["qr_code"].endswith(made["config_id"])
    way = way_of(sandbox, token, made["config_id"])
    assert (way["user"], way["skip_verify"], way["state"]) == (agents[:2], True, "xhs-0715")
    told = sandbox.step("scan", config_id=made["config_id"])
    assert (told["ChangeType"], told["State"]) == ("add_external_contact", "xhs-0715")
    assert told["UserID"] in agents[:2]
    (follow,) = followers(sandbox, token, told["ExternalUserID"])
    assert (follow["add_way"], follow["state"]) == (1, "xhs-0715")


def test_a_way_that_asks_first_adds_nobody_whom_the_member_declines(sandbox, token, agents):
    asking = add_way(sandbox, token, user=agents[:1], skip_verify=False)["config_id"]
    assert sandbox.step("scan", config_id=asking, accept=False)["accepted"] is False
    assert sandbox.read("callbacks") == []
    assert sandbox.step("scan", config_id=asking)["ChangeType"] == "add_external_contact"
    open_way = add_way(sandbox, token, user=agents[:1])["config_id"]
    told = sandbox.step("scan", config_id=open_way, half=True)
    assert told["ChangeType"] == "add_half_external_contact"


def test_an_exclusive_way_leads_one_customer_to_one_member_only(sandbox, token, agents):
    way = add_way(sandbox, token, user=agents, is_exclusive=True)["config_id"]
    first = sandbox.step("scan", config_id=way)
    again = sandbox.step("scan", config_id=way, external_userid=first["ExternalUserID"], count=8)
    assert {told["UserID"] for told in again} == {first["UserID"]}


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"type": None, "user": ["li.ting"]}, 41037),
        ({"scene": None, "user": ["li.ting"]}, 41038),
        ({"type": 3, "user": ["li.ting"]}, 41039),
        ({"scene": 3, "user": ["li.ting"]}, 41040),
        ({"user": ["nobody"]}, 60111),
        ({"user": ["finance.office"]}, 60011),
        ({"user": ["x"] * 101}, 41041),
        ({}, 40063),
        ({"type": 1, "party": [1]}, 40058),
        ({"party": [999]}, 60123),
        ({"party": [1], "state": "长" * 31}, 40058),
        ({"party": [1], "is_temp": True}, 40058),
    ],
)
def test_a_senseless_contact_way_is_refused(sandbox, token, body, errcode):
    assert add_way(sandbox, token, **body)["errcode"] == errcode
    assert sandbox.ledger("externalcontact/add_contact_way") == []


def test_an_update_of_a_way_overwrites_what_it_leaves_out(sandbox, token, agents):
    config_id = add_way(sandbox, token, user=agents[:1], state="a", remark="b")["config_id"]
    body = {"config_id": config_id, "user": agents[1:3], "state": "c"}
    assert sandbox.post("externalcontact/update_contact_way", token, **body)["errcode"] == 0
    way = way_of(sandbox, token, config_id)
    assert (way["user"], way["state"], way["remark"]) == (agents[1:3], "c", "")
    assert sandbox.step("scan", config_id=config_id)["UserID"] in agents[1:3]


def test_ways_are_listed_in_pages_without_the_temporary_and_the_deleted(sandbox, token, agents):
    ids = [add_way(sandbox, token, user=agents[:1])["config_id"] for _ in range(4)]
    add_way(sandbox, token, type=1, user=agents[:1], is_temp=True)
    sandbox.post("externalcontact/del_contact_way", token, config_id=ids.pop())
    found, cursor = [], ""
    while True:
        page = sandbox.post("externalcontact/list_contact_way", token, limit=2, cursor=cursor)
        found += [way["config_id"] for way in page["contact_way"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert sorted(found) == sorted(ids)
    gone = sandbox.post("externalcontact/get_contact_way", token, config_id="cfg0")
    missing = sandbox.post("externalcontact/get_contact_way", token)
    assert [gone["errcode"], missing["errcode"]] == [41044, 41043]


def test_a_temporary_way_dies_with_its_first_scan_and_its_session_can_be_closed(
    sandbox, token, agents
):
    way = add_way(sandbox, token, type=1, user=agents[:1], is_temp=True)["config_id"]
    told = sandbox.step("scan", config_id=way)
    with pytest.raises(SandboxFailed, match="expired"):
        sandbox.step("scan", config_id=way)
    pair = {"userid": told["UserID"], "external_userid": told["ExternalUserID"]}
    codes = [
        sandbox.post("externalcontact/close_temp_chat", token, **pair)["errcode"] for _ in range(2)
    ]
    assert codes == [0, 60136]
    late = add_way(sandbox, token, type=1, user=agents[:1], is_temp=True, expires_in=60)
    sandbox.control("clock", advance=61)
    with pytest.raises(SandboxFailed, match="expired"):
        sandbox.step("scan", config_id=late["config_id"])


# Codes that lead into groups


def all_chats(sandbox, token):
    page = sandbox.post("externalcontact/groupchat/list", token, limit=1000)
    return [chat["chat_id"] for chat in page["group_chat_list"]]


def chat_of(sandbox, token, chat_id):
    answer = sandbox.post("externalcontact/groupchat/get", token, chat_id=chat_id, need_name=1)
    return answer["group_chat"]


def add_join_way(sandbox, token, **body):
    return sandbox.post("externalcontact/groupchat/add_join_way", token, scene=2, **body)


def test_a_scan_of_a_join_way_leads_into_its_group_with_its_state(sandbox, token):
    chat_id = all_chats(sandbox, token)[0]
    made = add_join_way(sandbox, token, chat_id_list=[chat_id], state="grp-sanya", remark="三" * 40)
    assert "qr_code" not in made
    answer = sandbox.post("externalcontact/groupchat/get_join_way", token, **made)
    way = answer["join_way"]
    assert way["qr_code"].endswith(made["config_id"])
    assert (way["remark"], way["auto_create_room"]) == ("三" * 30, 1)
    told = sandbox.step("scan", config_id=made["config_id"])
    assert (told["UpdateDetail"], told["ChatId"]) == ("add_member", chat_id)
    (who,) = told["MemChangeList"]
    people = {
        person["userid"]: person for person in chat_of(sandbox, token, chat_id)["member_list"]
    }
    assert (people[who]["state"], people[who]["join_scene"]) == ("grp-sanya", 3)


def test_a_full_join_way_opens_a_numbered_group_if_it_may(sandbox, token):
    chat_id = all_chats(sandbox, token)[0]
    sandbox.control("settings", group_size=1)
    body = {"chat_id_list": [chat_id], "room_base_name": "三亚亲子游", "room_base_id": 12}
    closed = add_join_way(sandbox, token, auto_create_room=0, **body)["config_id"]
    with pytest.raises(SandboxFailed, match="full"):
        sandbox.step("scan", config_id=closed)
    opening = add_join_way(sandbox, token, **body)["config_id"]
    rooms = [sandbox.step("scan", config_id=opening)["ChatId"] for _ in range(2)]
    names = [chat_of(sandbox, token, room)["name"] for room in rooms]
    assert names == ["三亚亲子游12", "三亚亲子游13"]


@pytest.mark.parametrize(
    ("chats", "errcode"), [(["wr0"], 40050), ([], 40063), (["wr0"] * 6, 41091)]
)
def test_a_join_way_needs_one_to_five_groups_that_exist(sandbox, token, chats, errcode):
    assert add_join_way(sandbox, token, chat_id_list=chats)["errcode"] == errcode


def test_a_join_way_is_overwritten_whole_and_deleted(sandbox, token):
    chats = all_chats(sandbox, token)
    made = add_join_way(sandbox, token, chat_id_list=chats[:1], state="a", room_base_name="b")
    config_id = made["config_id"]
    path = "externalcontact/groupchat"
    sandbox.post(
        f"{path}/update_join_way", token, config_id=config_id, scene=2, chat_id_list=chats[1:2]
    )
    way = sandbox.post(f"{path}/get_join_way", token, config_id=config_id)["join_way"]
    assert (way["chat_id_list"], way["state"], way["room_base_name"]) == (chats[1:2], "", "")
    sandbox.post(f"{path}/del_join_way", token, config_id=config_id)
    gone = sandbox.post(f"{path}/get_join_way", token, config_id=config_id)
    assert gone["errcode"] == 41044


# Acquisition links

LINKS = "externalcontact/customer_acquisition"


def create_link(sandbox, token, agents, **body):
    body = {"link_name": "抖音直播", "range": {"user_list": agents}, **body}
    answer = sandbox.post(f"{LINKS}/create_link", token, **body)
    assert answer["errcode"] == 0, answer
    return answer["link"]["link_id"]


def quota_of(sandbox, token):
    return sandbox.get("externalcontact/customer_acquisition_quota", access_token=token)


def told(sandbox, kind):
    return sum(kind in row["event"] for row in sandbox.read("callbacks"))


def test_a_link_brings_customers_with_its_channel_and_uses_quota(sandbox, token, agents):
    link_id = create_link(sandbox, token, agents[:1])
    before = quota_of(sandbox, token)["balance"]
    added = sandbox.step("click_link", link_id=link_id, state="douyin-0718")
    assert (added["UserID"], added["State"]) == (agents[0], "douyin-0718")
    (follow,) = followers(sandbox, token, added["ExternalUserID"])
    assert (follow["add_way"], follow["state"]) == (16, "douyin-0718")
    sandbox.step("click_link", link_id=link_id, add=False)
    assert quota_of(sandbox, token)["balance"] == before - 1
    (customer,) = sandbox.post(f"{LINKS}/customer", token, link_id=link_id)["customer_list"]
    assert (customer["state"], customer["chat_status"]) == ("douyin-0718", 0)
    now = int(sandbox.read("state")["now"])
    figures = sandbox.post(
        f"{LINKS}/statistic", token, link_id=link_id, start_time=now - DAY, end_time=now
    )
    assert (figures["click_link_customer_cnt"], figures["new_customer_cnt"]) == (2, 1)


def test_the_first_message_names_the_pair_and_the_third_only_a_key(sandbox, token, agents):
    link_id = create_link(sandbox, token, agents[:1])
    added = sandbox.step("click_link", link_id=link_id, state="live")
    pair = {"userid": added["UserID"], "external_userid": added["ExternalUserID"]}
    steps = [sandbox.step("chat", **pair) for _ in range(10)]
    kinds = [step.get("ChangeType", "") for step in steps]
    assert kinds[0] == "customer_start_chat"
    assert [n for n, kind in enumerate(kinds, 1) if kind == "message_from_customer"] == [3, 5, 10]
    third = steps[2]
    assert "ExternalUserID" not in third
    info = sandbox.post(f"{LINKS}/get_chat_info", token, chat_key=third["ChatKey"])
    assert info["external_userid"] == pair["external_userid"]
    assert info["chat_info"] == {"recv_msg_cnt": 3, "link_id": link_id, "state": "live"}
    sandbox.control("clock", advance=1801)
    late = sandbox.post(f"{LINKS}/get_chat_info", token, chat_key=third["ChatKey"])
    assert late["errcode"] == 40058


def test_the_platform_tells_when_quota_runs_low_out_and_up(sandbox, token, agents):
    link_id = create_link(sandbox, token, agents)
    sandbox.step("quota_use", quota=quota_of(sandbox, token)["balance"] - 20)
    assert told(sandbox, "balance_low") == 0
    sandbox.step("click_link", link_id=link_id)
    assert told(sandbox, "balance_low") == 1
    sandbox.step("quota_use", quota=100)
    assert told(sandbox, "balance_exhausted") == 1
    with pytest.raises(SandboxFailed, match="used up"):
        sandbox.step("click_link", link_id=link_id)
    sandbox.step("quota_buy", quota=5)
    assert told(sandbox, "balance_increased") == 1
    assert sandbox.step("click_link", link_id=link_id)["ChangeType"] == "add_external_contact"


def test_quota_that_expires_soon_is_told_of_once_a_warning_day(sandbox, token):
    sandbox.step("quota_buy", quota=7, days=15)
    for _ in range(15):
        sandbox.control("clock", advance=DAY)
        sandbox.control("clock", advance=60)
    assert told(sandbox, "quota_expire_soon") == 5
    assert quota_of(sandbox, sandbox.access_token())["total"] == 1000


def test_a_link_that_asks_first_tells_of_the_request(sandbox, token, agents):
    link_id = create_link(sandbox, token, agents, skip_verify=False)
    sandbox.step("click_link", link_id=link_id, add=False, profile=True)
    assert told(sandbox, "open_profile") == 1
    asked = sandbox.step("click_link", link_id=link_id, accept=False)
    assert (asked["ChangeType"], asked["LinkId"]) == ("friend_request", link_id)
    assert sandbox.step("click_link", link_id=link_id)["ChangeType"] == "add_external_contact"


def test_a_link_prefers_who_knows_the_customer_if_told_so(sandbox, token, agents):
    known = sandbox.step("add", userid=agents[3])
    link_id = create_link(sandbox, token, agents[:1], priority_option={"priority_type": 1})
    again = sandbox.step("click_link", link_id=link_id, external_userid=known["ExternalUserID"])
    assert again["UserID"] == agents[3]


def test_links_are_listed_changed_and_deleted(sandbox, token, agents):
    ids = [create_link(sandbox, token, agents) for _ in range(3)]
    first = sandbox.post(f"{LINKS}/list_link", token, limit=2)
    second = sandbox.post(f"{LINKS}/list_link", token, limit=2, cursor=first["next_cursor"])
    assert sorted(first["link_id_list"] + second["link_id_list"]) == sorted(ids)
    sandbox.post(f"{LINKS}/update_link", token, link_id=ids[0], link_name="新名")
    link = sandbox.post(f"{LINKS}/get", token, link_id=ids[0])
    assert (link["link"]["link_name"], link["range"]["user_list"]) == ("新名", agents)
    sandbox.post(f"{LINKS}/delete_link", token, link_id=ids[0])
    assert told(sandbox, "delete_link") == 0
    sandbox.step("link_delete", link_id=ids[1])
    assert told(sandbox, "delete_link") == 1
    assert sandbox.post(f"{LINKS}/get", token, link_id=ids[0])["errcode"] == 40058
    empty = sandbox.post(f"{LINKS}/create_link", token, link_name="无人")
    assert empty["errcode"] == 40063
