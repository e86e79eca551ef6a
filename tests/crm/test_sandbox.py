"""The sandbox as a client meets it: over HTTP, against the protocol's own rules."""

import http.client
import json
import re
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.wecom.sandbox.routes import endpoints
from tests.sandbox_fixture import SandboxFailed

PICTURE = b"\x89PNG\r\n\x1a\n" + b"0" * 200


@pytest.fixture
def token(sandbox):
    return sandbox.access_token()


@pytest.fixture
def agents(sandbox, token):
    return sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]


def all_pairs(sandbox, token, agents, *, limit=100):
    pairs, cursor = [], ""
    while True:
        page = sandbox.post(
            "externalcontact/batch/get_by_user",
            token,
            userid_list=agents,
            limit=limit,
            cursor=cursor,
        )
        assert page["errcode"] == 0, page
        pairs += page["external_contact_list"]
        cursor = page["next_cursor"]
        if not cursor:
            return pairs


def a_pair(sandbox, token, agents):
    pair = all_pairs(sandbox, token, agents)[0]
    return pair["follow_info"]["userid"], pair["external_contact"]["external_userid"]


# Envelope and tokens


def test_an_error_is_http_200_with_a_hint_and_a_link(sandbox):
    answer = sandbox.get("user/get", userid="nobody")
    assert answer["errcode"] == 41001
    assert re.search(r"hint: \[\d+_\d+_[0-9a-f]{32}\], from ip: 127", answer["errmsg"])
    assert answer["errmsg"].endswith("query?e=41001")


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({}, 41002),
        ({"corpid": "wwsandbox"}, 41004),
        ({"corpid": "wwother", "corpsecret": "sandbox-secret"}, 40013),
        ({"corpid": "wwsandbox", "corpsecret": "wrong"}, 40001),
    ],
)
def test_a_token_needs_the_right_corp_and_secret(sandbox, query, errcode):
    assert sandbox.get("gettoken", **query)["errcode"] == errcode


def test_a_token_lives_two_hours_and_can_be_revoked_or_expired_before(sandbox):
    def errcode(token):
        return sandbox.get("getcallbackip", access_token=token)["errcode"]

    first = sandbox.access_token()
    assert errcode(first) == 0
    sandbox.control("clock", advance=7201)
    assert errcode(first) == 42001
    second = sandbox.access_token()
    sandbox.control("tokens", action="expire")
    assert errcode(second) == 42001
    third = sandbox.access_token()
    sandbox.control("tokens", action="revoke")
    assert errcode(third) == 40014
    assert errcode("made-up") == 40014


def raw_post(sandbox, path, token, body):
    request = Request(f"{sandbox.url}/cgi-bin/{path}?access_token={token}", data=body)
    with urlopen(request, timeout=10) as answer:
        return answer.read().decode()


@pytest.mark.parametrize(
    ("body", "errcode"),
    [(b"{", 47001), (b"[1]", 47001), (b'{"group_name":"\\u4e09"}', 40033), (b"\xff", 47001)],
)
def test_a_broken_or_escaped_body_is_refused(sandbox, token, body, errcode):
    answer = raw_post(sandbox, "externalcontact/add_corp_tag", token, body)
    assert f'"errcode": {errcode}' in answer
    assert sandbox.ledger() == []


def test_the_wrong_verb_and_unknown_paths_are_told_apart(sandbox, token):
    assert sandbox.get("user/list_id", access_token=token)["errcode"] == 43002
    assert sandbox.post("department/list", token)["errcode"] == 43001
    with pytest.raises(HTTPError, match="404"):
        sandbox.get("externalcontact/no_such_thing")


def test_too_many_calls_of_one_method_are_blocked_for_a_minute(sandbox, token):
    def errcode():
        return sandbox.get("getcallbackip", access_token=token)["errcode"]

    sandbox.control("settings", limits={"getcallbackip": [[3, 60, 60]]})
    assert [errcode() for _ in range(4)] == [0, 0, 0, 45009]
    sandbox.control("clock", advance=61)
    assert errcode() == 0


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


# Media


def upload(sandbox, token, path, content, *, filename="a.png", **query):
    pairs = "&".join(f"{name}={value}" for name, value in query.items())
    head = (
        '--frontier\r\nContent-Disposition: form-data; name="media"; '
        f'filename="{filename}"; filelength={len(content)}\r\nContent-Type: image/png\r\n\r\n'
    )
    request = Request(
        f"{sandbox.url}/cgi-bin/media/{path}?access_token={token}&{pairs}",
        data=head.encode() + content + b"\r\n--frontier--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=frontier"},
    )
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_a_file_comes_back_as_it_went_in_until_it_expires(sandbox, token):
    made = upload(sandbox, token, "upload", PICTURE, type="image")
    assert isinstance(made["created_at"], str)
    url = f"{sandbox.url}/cgi-bin/media/get?access_token={token}&media_id={made['media_id']}"
    with urlopen(url, timeout=10) as answer:
        assert answer.read() == PICTURE
        assert answer.headers["Content-Type"] == "image/png"
    sandbox.control("clock", advance=3 * 86_400 + 1)
    fresh = sandbox.access_token()
    gone = sandbox.get("media/get", access_token=fresh, media_id=made["media_id"])
    assert gone["errcode"] == 40007


@pytest.mark.parametrize(
    ("content", "kind", "errcode"),
    [
        (b"", "image", 44001),
        (b"\x89PNG", "image", 40006),
        (b"GIF89a-------", "image", 40005),
        (PICTURE, "sculpture", 40004),
        (PICTURE + b"0" * 10 * 1024 * 1024, "image", 40009),
    ],
)
def test_media_of_the_wrong_size_or_kind_is_refused(sandbox, token, content, kind, errcode):
    assert upload(sandbox, token, "upload", content, type=kind)["errcode"] == errcode


# Moments


def create_moment(sandbox, token, **body):
    return sandbox.post("externalcontact/add_moment_task", token, **body)


def moment_of(sandbox, token, job):
    sandbox.control("clock", advance=5)
    answer = sandbox.get(
        "externalcontact/get_moment_task_result", access_token=token, jobid=job["jobid"]
    )
    return answer["result"]


def test_a_moment_takes_only_media_uploaded_for_moments(sandbox, token):
    plain = upload(sandbox, token, "upload", PICTURE, type="image")["media_id"]
    fitting = upload(
        sandbox, token, "upload_attachment", PICTURE, media_type="image", attachment_type=1
    )["media_id"]

    def errcode(media_id):
        picture = {"msgtype": "image", "image": {"media_id": media_id}}
        return create_moment(sandbox, token, attachments=[picture])["errcode"]

    assert [errcode(plain), errcode("3none"), errcode(fitting)] == [41072, 40007, 0]
    assert create_moment(sandbox, token)["errcode"] == 41089


def test_a_moment_is_a_job_then_a_task_for_each_member(sandbox, token, agents):
    job = create_moment(
        sandbox,
        token,
        text={"content": "五月厦门"},
        visible_range={"sender_list": {"user_list": [*agents[:2], "nobody"]}},
    )
    status = sandbox.get(
        "externalcontact/get_moment_task_result", access_token=token, jobid=job["jobid"]
    )
    assert status["status"] in (1, 2)
    assert "result" not in status
    result = moment_of(sandbox, token, job)
    assert result["invalid_sender_list"]["user_list"] == ["nobody"]
    moment_id = result["moment_id"]
    tasks = sandbox.post("externalcontact/get_moment_task", token, moment_id=moment_id)
    assert [task["userid"] for task in tasks["task_list"]] == agents[:2]
    assert {task["publish_status"] for task in tasks["task_list"]} == {0}
    waiting = sandbox.post(
        "externalcontact/get_moment_comments", token, moment_id=moment_id, userid=agents[0]
    )
    assert waiting["errcode"] == 41062
    stranger = sandbox.post(
        "externalcontact/get_moment_comments", token, moment_id=moment_id, userid=agents[3]
    )
    assert stranger["errcode"] == 41061


def test_members_publish_and_their_customers_see_it(sandbox, token, agents):
    job = create_moment(sandbox, token, text={"content": "五月厦门"})
    moment_id = moment_of(sandbox, token, job)["moment_id"]
    sandbox.step("publish_moment", moment_id=moment_id, userid=agents[0])

    def people(path):
        answer = sandbox.post(
            f"externalcontact/{path}", token, moment_id=moment_id, userid=agents[0]
        )
        return {row["external_userid"] for row in answer["customer_list"]}

    mine = {p["external_contact"]["external_userid"] for p in all_pairs(sandbox, token, agents[:1])}
    assert people("get_moment_customer_list") == mine
    assert people("get_moment_send_result") <= mine
    listed = sandbox.post(
        "externalcontact/get_moment_list",
        token,
        start_time=int(time.time()) - 3600,
        end_time=int(time.time()) + 3600,
        filter_type=0,
    )["moment_list"]
    assert [(m["moment_id"], "creator" in m) for m in listed] == [(moment_id, False)]


def test_a_tag_narrows_who_publishes_and_who_sees(sandbox, token, agents):
    userid, key = a_pair(sandbox, token, agents)
    made = sandbox.post(
        "externalcontact/add_corp_tag", token, group_name="人群", tag=[{"name": "国庆"}]
    )
    tag = made["tag_group"]["tag"][0]["id"]
    sandbox.post(
        "externalcontact/mark_tag", token, userid=userid, external_userid=key, add_tag=[tag]
    )
    job = create_moment(
        sandbox,
        token,
        text={"content": "国庆"},
        visible_range={"external_contact_list": {"tag_list": [tag]}},
    )
    moment_id = moment_of(sandbox, token, job)["moment_id"]
    tasks = sandbox.post("externalcontact/get_moment_task", token, moment_id=moment_id)
    assert [task["userid"] for task in tasks["task_list"]] == [userid]
    sandbox.step("publish_moment", moment_id=moment_id)
    audience = sandbox.post(
        "externalcontact/get_moment_customer_list", token, moment_id=moment_id, userid=userid
    )
    assert [row["external_userid"] for row in audience["customer_list"]] == [key]


def test_content_errors_come_with_the_result_of_the_job(sandbox, token):
    job = create_moment(sandbox, token, text={"content": "长" * 2001})
    result = moment_of(sandbox, token, job)
    assert result["errcode"] == 45002
    assert "moment_id" not in result


def test_a_cancelled_moment_is_published_by_nobody_else(sandbox, token, agents):
    job = create_moment(sandbox, token, text={"content": "五月厦门"})
    moment_id = moment_of(sandbox, token, job)["moment_id"]
    sandbox.step("publish_moment", moment_id=moment_id, userid=agents[0])
    sandbox.post("externalcontact/cancel_moment_task", token, moment_id=moment_id)
    sandbox.step("publish_moment", moment_id=moment_id)
    tasks = sandbox.post("externalcontact/get_moment_task", token, moment_id=moment_id)["task_list"]
    assert [t["userid"] for t in tasks if t["publish_status"]] == [agents[0]]


def test_eleven_moments_in_a_minute_are_one_too_many(sandbox, token):
    codes = [create_moment(sandbox, token, text={"content": "x"})["errcode"] for _ in range(11)]
    assert codes == [0] * 10 + [45009]


# Messages and statistics


def test_a_reminder_reaches_members_once(sandbox, token, agents):
    def send(touser, **more):
        return sandbox.post(
            "message/send",
            token,
            touser=touser,
            msgtype="text",
            agentid=sandbox.agent_id,
            text={"content": "请发表"},
            **more,
        )

    assert send("nobody")["errcode"] == 81013
    assert send(f"{agents[0]}|nobody", enable_duplicate_check=1)["invaliduser"] == "nobody"
    assert send(agents[0], enable_duplicate_check=1)["errcode"] == 0
    outcomes = [m["outcome"] for m in sandbox.read("messages")["messages"]]
    assert outcomes == ["delivered", "duplicate"]
    assert len(sandbox.ledger("message/send")) == 1


def test_a_welcome_code_works_once_and_for_twenty_seconds(sandbox, token):
    def welcome(code):
        return sandbox.post(
            "externalcontact/send_welcome_msg", token, welcome_code=code, text={"content": "你好"}
        )["errcode"]

    code = sandbox.step("add")["WelcomeCode"]
    assert [welcome(code), welcome(code), welcome(""), welcome("WC0")] == [0, 41050, 41049, 41050]
    late = sandbox.step("add")["WelcomeCode"]
    sandbox.control("clock", advance=21)
    assert welcome(late) == 41050


def test_statistics_end_yesterday_and_leave_out_what_would_divide_by_nothing(
    sandbox, token, agents
):
    now = int(time.time())
    rows = sandbox.post(
        "externalcontact/get_user_behavior_data",
        token,
        userid=agents,
        start_time=now - 20 * 86_400,
        end_time=now,
    )["behavior_data"]
    assert len(rows) == 20
    assert all(row["stat_time"] < now - 3600 for row in rows)
    quiet = [row for row in rows if row["chat_cnt"] == 0 and "reply_percentage" not in row]
    assert all("avg_reply_time" not in row for row in quiet)
    too_long = sandbox.post(
        "externalcontact/get_user_behavior_data",
        token,
        userid=agents,
        start_time=now - 40 * 86_400,
        end_time=now,
    )
    assert too_long["errcode"] == 40058


# Faults and the ledger


def test_an_effect_can_stand_although_the_caller_hears_nothing(sandbox, token):
    sandbox.fault("externalcontact/add_corp_tag", "effect_then_drop", every=2)
    body = {"group_name": "一", "tag": [{"name": "甲"}]}
    sandbox.post("externalcontact/add_corp_tag", token, **body)
    with pytest.raises((OSError, http.client.HTTPException)):
        sandbox.post("externalcontact/add_corp_tag", token, **body | {"group_name": "二"})
    answered = [row["answered"] for row in sandbox.ledger("externalcontact/add_corp_tag")]
    assert answered == ["yes", "no"]


def test_other_faults_apply_nothing(sandbox, token):
    def add():
        return sandbox.post(
            "externalcontact/add_corp_tag", token, group_name="一", tag=[{"name": "甲"}]
        )

    method = "externalcontact/add_*"
    sandbox.fault(method, "errcode", errcode=-1, count=1)
    sandbox.fault(method, "http_500", count=1, skip=0)
    sandbox.fault(method, "drop", count=1)
    assert add()["errcode"] == -1
    with pytest.raises(HTTPError, match="500"):
        add()
    with pytest.raises((OSError, http.client.HTTPException)):
        add()
    assert sandbox.ledger() == []
    assert add()["errcode"] == 0
    assert len(sandbox.ledger()) == 1


def test_one_page_of_a_walk_can_fail(sandbox, token, agents):
    sandbox.fault("*/get_by_user", "45009", page=2, count=1)
    first = sandbox.post("externalcontact/batch/get_by_user", token, userid_list=agents, limit=30)
    body = {"userid_list": agents, "limit": 30, "cursor": first["next_cursor"]}
    second = [
        sandbox.post("externalcontact/batch/get_by_user", token, **body)["errcode"]
        for _ in range(2)
    ]
    assert [first["errcode"], *second] == [0, 45009, 0]


def test_a_senseless_fault_is_refused(sandbox):
    with pytest.raises(SandboxFailed, match="kind is one of"):
        sandbox.fault("*", "earthquake")
    with pytest.raises(SandboxFailed, match="unknown fields"):
        sandbox.fault("*", "drop", severity=3)


# Whatever is sent

NAMES = st.sampled_from(
    [
        *("userid", "external_userid", "userid_list", "cursor", "limit", "chat_id", "owner_filter"),
        *("status_filter", "tag", "tag_id", "group_id", "group_name", "id", "name", "order"),
        *("add_tag", "remove_tag", "text", "attachments", "user_list", "visible_range"),
        *("sender_list", "external_contact_list", "tag_list", "department_list", "moment_id"),
        *("start_time", "end_time", "filter_type", "creator", "touser", "toparty", "totag"),
        *("agentid", "msgtype", "textcard", "image", "link", "url", "welcome_code", "partyid"),
        *("remark", "remark_mobiles", "content", "title", "media_id"),
    ]
)
POSTS = [path for path, route in endpoints().items() if route.verb == "POST"]
VALUES = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(-9e9, 9e9)),
        st.text(st.characters(codec="utf-8"), max_size=30),
        st.sampled_from(["li.ting", "text", "textcard", "image", "link", 1000002]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def connection(sandbox_process):
    sandbox_process.control("settings", limits={"*": [], "externalcontact/add_moment_task": []})
    token = sandbox_process.access_token()
    with httpx.Client(base_url=sandbox_process.url, params={"access_token": token}) as client:
        yield client


@settings(max_examples=200, deadline=None)
@given(path=st.sampled_from(POSTS), body=st.dictionaries(NAMES, VALUES, max_size=10))
def test_any_body_gets_an_envelope(connection, path, body):
    answer = connection.post(f"/cgi-bin/{path}", json=body)
    assert answer.status_code == 200
    assert isinstance(answer.json()["errcode"], int)
