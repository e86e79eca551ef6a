"""Directory, customers, tags and groups of the sandbox, held to the protocol."""

import pytest

from tests.crm.sandbox_calls import a_pair, all_pairs


@pytest.fixture
def token(sandbox):
    return sandbox.access_token()


@pytest.fixture
def agents(sandbox, token):
    return sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]


# Directory


def test_the_directory_is_a_tree_of_company_departments_and_teams(sandbox, token):
    departments = sandbox.get("department/list", access_token=token)["department"]
    parents = {d["id"]: d["parentid"] for d in departments}
    assert parents[1] == 0
    assert all(parent in parents for key, parent in parents.items() if key != 1)
    leaders = [leader for d in departments for leader in d["department_leader"]]
    people = sandbox.get("user/list", access_token=token, department_id=1, fetch_child=1)
    assert len(people["userlist"]) == 6
    assert {p["userid"] for p in people["userlist"] if p["is_leader_in_dept"] == [1]} == {*leaders}
    assert not {"mobile", "email", "gender"} & set(people["userlist"][0])


def test_people_outside_the_scope_and_nobody_at_all_are_told_apart(sandbox, token):
    def errcode(userid):
        return sandbox.get("user/get", access_token=token, userid=userid)["errcode"]

    assert [errcode("finance.office"), errcode("nobody"), errcode("")] == [60011, 60111, 41009]
    assert sandbox.get("user/list", access_token=token, department_id=99)["errcode"] == 60003


def test_userids_come_in_pages(sandbox, token, agents):
    first = sandbox.post("user/list_id", token, limit=4)
    second = sandbox.post("user/list_id", token, limit=4, cursor=first["next_cursor"])
    assert second["next_cursor"] == ""
    assert [row["userid"] for row in first["dept_user"] + second["dept_user"]] == agents


# Customers


def test_every_relation_comes_once_whatever_the_page_size(sandbox, token, agents):
    whole = all_pairs(sandbox, token, agents)
    small = all_pairs(sandbox, token, agents, limit=7)
    assert whole == small
    keys = {(p["follow_info"]["userid"], p["external_contact"]["external_userid"]) for p in whole}
    assert len(keys) == len(whole) == sandbox.read("state")["counts"]["relations"]
    assert len({external for _, external in keys}) == 60


def test_list_and_batch_and_get_agree(sandbox, token, agents):
    pairs = all_pairs(sandbox, token, agents)
    for agent in agents:
        listed = sandbox.get("externalcontact/list", access_token=token, userid=agent)
        mine = [p for p in pairs if p["follow_info"]["userid"] == agent]
        assert {p["external_contact"]["external_userid"] for p in mine} == {
            *listed["external_userid"]
        }
    key = pairs[0]["external_contact"]["external_userid"]
    got = sandbox.get("externalcontact/get", access_token=token, external_userid=key)
    assert got["external_contact"] == pairs[0]["external_contact"]
    assert got["next_cursor"] == ""
    follow = next(f for f in got["follow_user"] if f["userid"] == pairs[0]["follow_info"]["userid"])
    assert sorted(t["tag_id"] for t in follow.pop("tags")) == pairs[0]["follow_info"]["tag_id"]


def test_caps_of_lists_are_kept(sandbox, token, agents):
    def errcode(path, **body):
        return sandbox.post(f"externalcontact/{path}", token, **body)["errcode"]

    assert errcode("batch/get_by_user", userid_list=["a"] * 101) == 40058
    assert errcode("batch/get_by_user", userid_list=[]) == 40063
    assert errcode("batch/get_by_user", userid_list=[*agents, "nobody"]) == 60111
    assert errcode("groupchat/list", limit=1001) == 40058
    assert errcode("groupchat/list") == 40058
    assert errcode("groupchat/list", limit=9, owner_filter={"userid_list": ["a"] * 101}) == 40058


def test_a_cursor_belongs_to_its_call_and_dies(sandbox, token, agents):
    def page(**more):
        body = {"userid_list": agents, "limit": 10, **more}
        return sandbox.post("externalcontact/batch/get_by_user", token, **body)

    cursor = page()["next_cursor"]
    assert page(cursor=cursor)["errcode"] == 0
    assert page(cursor=cursor, userid_list=agents[:2])["errcode"] == 50100
    assert page(cursor=cursor[:-2])["errcode"] == 50100
    assert page(cursor="made up")["errcode"] == 50100
    sandbox.control("clock", advance=3601)
    assert page(cursor=cursor)["errcode"] == 50100
    fresh = page()["next_cursor"]
    sandbox.control("cursors")
    assert page(cursor=fresh)["errcode"] == 50100


def test_somebody_without_customers_is_an_error_not_an_empty_list(sandbox, token, agents):
    for pair in all_pairs(sandbox, token, agents[:1]):
        sandbox.step(
            "delete_by_agent",
            userid=agents[0],
            external_userid=pair["external_contact"]["external_userid"],
        )
    answer = sandbox.get("externalcontact/list", access_token=token, userid=agents[0])
    assert answer["errcode"] == 84061


def test_a_deletion_by_the_customer_is_one_sided(sandbox, token, agents):
    def listed():
        return [
            p["external_contact"]["external_userid"] for p in all_pairs(sandbox, token, [userid])
        ]

    def remark():
        return sandbox.post(
            "externalcontact/remark", token, userid=userid, external_userid=key, remark="老朋友"
        )["errcode"]

    userid, key = a_pair(sandbox, token, agents)
    sandbox.step("delete_by_customer", userid=userid, external_userid=key)
    assert key in listed()
    assert remark() == 0
    sandbox.control("settings", lost_relations_listed=False)
    assert key not in listed()
    sandbox.step("add", userid=userid, external_userid=key, state="store-code")
    sandbox.step("delete_by_agent", userid=userid, external_userid=key)
    assert key not in listed()
    assert remark() == 84061


def test_a_half_contact_is_not_yet_a_contact(sandbox, token, agents):
    half = sandbox.step("add_half", userid=agents[0])
    key = half["ExternalUserID"]

    def remark():
        return sandbox.post(
            "externalcontact/remark", token, userid=agents[0], external_userid=key, remark="新"
        )["errcode"]

    assert remark() == 84061
    full = sandbox.step("complete_half", userid=agents[0], external_userid=key)
    assert full["ChangeType"] == "add_external_contact"
    assert "WelcomeCode" not in full
    assert remark() == 0


def test_a_remark_is_kept_limited_and_entered_into_the_ledger(sandbox, token, agents):
    userid, key = a_pair(sandbox, token, agents)

    def remark(**fields):
        return sandbox.post(
            "externalcontact/remark", token, userid=userid, external_userid=key, **fields
        )["errcode"]

    assert remark() == 40035
    assert remark(remark="长" * 21) == 40058
    assert remark(remark="海风-三亚", remark_mobiles=["19900000000"]) == 0
    assert remark(remark_mobiles=[""]) == 0
    got = sandbox.get("externalcontact/get", access_token=token, external_userid=key)
    follow = next(f for f in got["follow_user"] if f["userid"] == userid)
    assert (follow["remark"], follow["remark_mobiles"]) == ("海风-三亚", [])
    assert [row["body"].get("remark") for row in sandbox.ledger("externalcontact/remark")] == [
        "海风-三亚",
        None,
    ]
    assert sandbox.read("callbacks") == []  # Changes over the API tell nobody.


# Tags


def test_corp_tags_are_made_reused_refused_and_deleted(sandbox, token):
    def post(path, **body):
        return sandbox.post(f"externalcontact/{path}", token, **body)

    made = post("add_corp_tag", group_name="新目的地", tag=[{"name": "喀什"}, {"name": "喀什"}])
    group = made["tag_group"]
    assert [tag["name"] for tag in group["tag"]] == ["喀什"]
    assert post("add_corp_tag", group_name="新目的地", tag=[{"name": "喀什"}])["errcode"] == 40071
    again = post("add_corp_tag", group_name="新目的地", tag=[{"name": "敦煌", "order": 5}])
    assert again["tag_group"]["group_id"] == group["group_id"]
    assert post("add_corp_tag", group_name="长" * 31, tag=[{"name": "a"}])["errcode"] == 40072
    tag_id = group["tag"][0]["id"]
    assert post("edit_corp_tag", id=tag_id, name="和田")["errcode"] == 0
    assert post("edit_corp_tag", id=tag_id, name="敦煌")["errcode"] == 40071
    listed = post("get_corp_tag_list", group_id=[group["group_id"]])["tag_group"][0]
    assert [tag["name"] for tag in listed["tag"]] == ["敦煌", "和田"]
    assert post("del_corp_tag", tag_id=[tag["id"] for tag in listed["tag"]])["errcode"] == 0
    names = [g["group_name"] for g in post("get_corp_tag_list")["tag_group"]]
    assert "新目的地" not in names
    gone = post("get_corp_tag_list", tag_id=[tag_id])["tag_group"][0]
    assert gone["deleted"]
    assert gone["tag"][0]["deleted"]


def test_tags_of_the_console_can_be_marked_but_not_changed(sandbox, token, agents):
    userid, key = a_pair(sandbox, token, agents)
    tag = sandbox.post("externalcontact/get_corp_tag_list", token)["tag_group"][1]["tag"][0]["id"]
    assert (
        sandbox.post("externalcontact/edit_corp_tag", token, id=tag, name="x")["errcode"] == 301002
    )
    pair = {"userid": userid, "external_userid": key}

    def mark(**fields):
        return sandbox.post("externalcontact/mark_tag", token, **pair, **fields)["errcode"]

    assert mark() == 40035
    assert mark(add_tag=["etUnknown"]) == 40068
    assert mark(add_tag=[tag]) == 0
    assert sandbox.step("edit", **pair, remove_tag=[tag])["ChangeType"] == "edit_external_contact"
    follow = next(
        p["follow_info"]
        for p in all_pairs(sandbox, token, [userid])
        if p["external_contact"]["external_userid"] == key
    )
    assert tag not in follow["tag_id"]


# Groups


def test_groups_are_listed_in_pages_and_tell_their_members(sandbox, token):
    first = sandbox.post("externalcontact/groupchat/list", token, limit=4)
    rest = sandbox.post(
        "externalcontact/groupchat/list", token, limit=4, cursor=first["next_cursor"]
    )
    ids = [g["chat_id"] for g in first["group_chat_list"] + rest["group_chat_list"]]
    assert len(set(ids)) == 6
    assert rest["next_cursor"] == ""
    chat = sandbox.post("externalcontact/groupchat/get", token, chat_id=ids[0], need_name=1)
    members = chat["group_chat"]["member_list"]
    assert chat["group_chat"]["owner"] in [m["userid"] for m in members if m["type"] == 1]
    assert all("name" in m for m in members)
    plain = sandbox.post("externalcontact/groupchat/get", token, chat_id=ids[0])
    assert all("name" not in m for m in plain["group_chat"]["member_list"])


def test_a_join_moves_the_version_and_a_dismissed_group_is_gone(sandbox, token):
    join = sandbox.step("group_join")
    chat_id, joined = join["ChatId"], join["MemChangeList"][0]
    chat = sandbox.post("externalcontact/groupchat/get", token, chat_id=chat_id)["group_chat"]
    assert chat["member_version"] == join["CurMemVer"] != join["LastMemVer"]
    assert joined in [m["userid"] for m in chat["member_list"]]
    leave = sandbox.step("group_leave", chat_id=chat_id, external_userid=joined)
    assert leave["LastMemVer"] == join["CurMemVer"]
    sandbox.step("group_dismiss", chat_id=chat_id)
    gone = sandbox.post("externalcontact/groupchat/get", token, chat_id=chat_id)
    assert gone["errcode"] == 49008
    assert sandbox.post("externalcontact/groupchat/get", token, chat_id="wr0")["errcode"] == 40050
