"""Media, moments, messages and statistics of the sandbox, held to the protocol."""

import time
from urllib.request import urlopen

import pytest

from tests.crm.sandbox_calls import PICTURE, a_pair, all_pairs, upload


@pytest.fixture
def token(sandbox):
    return sandbox.access_token()


@pytest.fixture
def agents(sandbox, token):
    return sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]


# Media


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
