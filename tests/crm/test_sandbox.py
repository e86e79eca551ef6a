"""The sandbox as a client meets it: envelope, tokens, faults, and any body at all."""

import http.client
import re
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.wecom.sandbox.routes import endpoints
from tests.sandbox_fixture import SandboxFailed


@pytest.fixture
def token(sandbox):
    return sandbox.access_token()


@pytest.fixture
def agents(sandbox, token):
    return sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]


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
        *("type", "scene", "user", "party", "is_temp", "conclusions", "config_id", "state"),
        *("chat_id_list", "room_base_name", "range", "link_id", "link_name", "priority_option"),
        *("priority_type", "priority_userid_list", "skip_verify", "chat_key", "tag_filter"),
        *("group_list", "sender", "chat_type", "msgid", "handover_userid", "takeover_userid"),
        *("page_id", "page_size", "new_owner", "day_begin_time", "day_end_time", "template_id"),
        *("rule_name", "word_list", "semantics_list", "extra_rule", "intercept_type", "rule_id"),
        *("applicable_range", "strategy_id", "strategy_name", "admin_list", "privilege"),
        *("product_id", "product_sn", "price", "description", "jobid", "md5", "opengid", "info"),
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
