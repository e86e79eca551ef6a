"""Strategy tags, uploads by address, recalls and lesser calls of the sandbox."""

import hashlib
from urllib.request import urlopen

import pytest

from tests.crm.sandbox_calls import a_pair, all_pairs
from tests.waiting import eventually


@pytest.fixture
def token(sandbox):
    return sandbox.access_token()


@pytest.fixture
def agents(sandbox, token):
    return sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]


def call(sandbox, token, path, **body):
    return sandbox.post(f"externalcontact/{path}", token, **body)


@pytest.fixture
def strategy(sandbox, token, agents):
    made = call(
        sandbox,
        token,
        "customer_strategy/create",
        strategy_name="华南",
        range=[{"type": 1, "userid": agents[0]}],
    )
    return made["strategy_id"]


def add_tags(sandbox, token, strategy, *names):
    return call(
        sandbox,
        token,
        "add_strategy_tag",
        strategy_id=strategy,
        group_name="规则",
        tag=[{"name": name} for name in names],
    )


def test_strategy_tags_live_apart_from_corp_tags(sandbox, token, strategy):
    made = add_tags(sandbox, token, strategy, "甲", "乙")["tag_group"]
    assert made["strategy_id"] == strategy
    assert all(tag["id"].startswith("st") for tag in made["tag"])
    corp = call(sandbox, token, "get_corp_tag_list")["tag_group"]
    assert made["group_id"] not in {group["group_id"] for group in corp}
    first, second = (tag["id"] for tag in made["tag"])
    assert call(sandbox, token, "edit_corp_tag", id=first, name="丙")["errcode"] == 40068
    assert call(sandbox, token, "del_corp_tag", tag_id=[first])["errcode"] == 40068
    call(sandbox, token, "edit_strategy_tag", id=first, name="丙")
    call(sandbox, token, "del_strategy_tag", tag_id=[second])
    (group,) = call(sandbox, token, "get_strategy_tag_list", strategy_id=strategy)["tag_group"]
    assert [tag["name"] for tag in group["tag"]] == ["丙"]
    assert add_tags(sandbox, token, 999, "甲")["errcode"] == 40058


def test_strategy_tags_mark_relations_but_do_not_narrow_moments(sandbox, token, agents, strategy):
    tag = add_tags(sandbox, token, strategy, "甲")["tag_group"]["tag"][0]["id"]
    userid, key = a_pair(sandbox, token, agents)
    call(sandbox, token, "mark_tag", userid=userid, external_userid=key, add_tag=[tag])
    shown = sandbox.get("externalcontact/get", access_token=token, external_userid=key)
    follow = next(row for row in shown["follow_user"] if row["userid"] == userid)
    assert {row["tag_id"]: row["type"] for row in follow["tags"]}[tag] == 3
    pairs = {
        (p["follow_info"]["userid"], p["external_contact"]["external_userid"]): p["follow_info"]
        for p in all_pairs(sandbox, token, agents)
    }
    assert tag in pairs[userid, key]["tag_id"]
    job = call(
        sandbox,
        token,
        "add_moment_task",
        text={"content": "x"},
        visible_range={"external_contact_list": {"tag_list": [tag]}},
    )
    sandbox.control("clock", advance=5)
    result = sandbox.get(
        "externalcontact/get_moment_task_result", access_token=token, jobid=job["jobid"]
    )["result"]
    assert result["invalid_external_contact_list"]["tag_list"] == [tag]


def upload_by_url(sandbox, token, url, md5, kind="file"):
    body = {"scene": 1, "type": kind, "filename": "routes", "url": url, "md5": md5}
    answer = sandbox.post("media/upload_by_url", token, **body)
    if answer["errcode"]:
        return answer

    def result():
        found = sandbox.post("media/get_upload_by_url_result", token, jobid=answer["jobid"])
        return found if found["status"] > 1 else None

    return eventually(result)


def test_a_file_is_fetched_from_this_machine_and_told_of(sandbox, token):
    url = f"{sandbox.url}/_sandbox/routes"
    content = urlopen(url, timeout=10).read()
    md5 = hashlib.md5(content).hexdigest()
    done = upload_by_url(sandbox, token, url, md5)
    media_id = done["detail"]["media_id"]
    got = urlopen(
        f"{sandbox.url}/cgi-bin/media/get?access_token={token}&media_id={media_id}", timeout=10
    )
    assert got.read() == content
    assert "upload_media_job_finish" in sandbox.read("callbacks")[0]["xml"]
    assert upload_by_url(sandbox, token, url, "0" * 32)["detail"]["errcode"] == 40058
    far = upload_by_url(sandbox, token, "http://192.0.2.1/x", md5)
    assert (far["status"], far["detail"]["errcode"]) == (3, 40058)
    assert upload_by_url(sandbox, token, url, md5, kind="image")["errcode"] == 40004


def test_a_message_can_be_recalled_once_and_for_a_day(sandbox, token, agents):
    def send():
        return sandbox.post(
            "message/send",
            token,
            touser=agents[0],
            msgtype="text",
            agentid=sandbox.agent_id,
            text={"content": "请发表"},
        )["msgid"]

    msgid = send()
    codes = [sandbox.post("message/recall", token, msgid=msgid)["errcode"] for _ in range(2)]
    assert codes == [0, 41047]
    assert [m["outcome"] for m in sandbox.read("messages")["messages"]] == ["recalled"]
    late = send()
    sandbox.control("clock", advance=86_401)
    assert sandbox.post("message/recall", sandbox.access_token(), msgid=late)["errcode"] == 41047


def test_an_opengid_leads_to_its_group(sandbox, token):
    chat_id = sandbox.read("world")["groups"][0]["chat_id"]
    found = call(sandbox, token, "opengid_to_chatid", opengid="og" + chat_id[2:])
    assert found["chat_id"] == chat_id
    assert call(sandbox, token, "opengid_to_chatid", opengid=chat_id)["errcode"] == 90511


def test_everybody_served_is_listed_with_strangers_masked(sandbox, token, agents):
    chat_id = sandbox.read("world")["groups"][0]["chat_id"]
    way = call(sandbox, token, "groupchat/add_join_way", scene=2, chat_id_list=[chat_id])
    sandbox.step("join", config_id=way["config_id"], name="海风")
    rows, cursor = [], ""
    while True:
        page = call(sandbox, token, "contact_list", limit=40, cursor=cursor)
        rows += page["info_list"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    pairs = {
        (p["follow_info"]["userid"], p["external_contact"]["external_userid"])
        for p in all_pairs(sandbox, token, agents)
    }
    customers = {(r["follow_userid"], r["external_userid"]) for r in rows if r["is_customer"]}
    assert customers == pairs
    (stranger,) = [row for row in rows if not row["is_customer"]]
    assert (stranger["name"], stranger["chat_id"]) == ("海**", chat_id)
    assert "external_userid" not in stranger


def test_rule_groups_of_moments_are_a_series_of_their_own(sandbox, token, agents, strategy):
    made = call(
        sandbox,
        token,
        "moment_strategy/create",
        strategy_name="朋友圈",
        range=[{"type": 1, "userid": agents[0]}],
    )
    assert call(sandbox, token, "moment_strategy/list")["strategy"] == [
        {"strategy_id": made["strategy_id"]}
    ]
    foreign = call(sandbox, token, "moment_strategy/get", strategy_id=strategy)
    assert foreign["errcode"] == 40058


def test_a_card_can_be_changed_once(sandbox, token, agents):
    sent = sandbox.post(
        "message/send",
        token,
        touser=agents[0],
        msgtype="template_card",
        agentid=sandbox.agent_id,
        template_card={"card_type": "button_interaction", "task_id": "t1"},
    )
    change = {
        "userids": agents[:1],
        "agentid": sandbox.agent_id,
        "response_code": sent["response_code"],
        "button": {"replace_name": "已处理"},
    }
    codes = [
        sandbox.post("message/update_template_card", token, **change)["errcode"] for _ in range(2)
    ]
    assert codes == [0, 40058]


def test_members_sign_in_and_customers_have_an_openid(sandbox, token, agents):
    who = sandbox.get("auth/getuserinfo", access_token=token, code=f"code.{agents[0]}")
    detail = sandbox.post("auth/getuserdetail", token, user_ticket=who["user_ticket"])
    assert detail["userid"] == agents[0]
    assert sandbox.get("auth/getuserinfo", access_token=token, code="x")["errcode"] == 40058
    _, key = a_pair(sandbox, token, agents)
    assert call(sandbox, token, "convert_to_openid", external_userid=key)["openid"]
    ticket = sandbox.get("ticket/get", access_token=token, type="agent_config")
    assert ticket["expires_in"] == 7200
