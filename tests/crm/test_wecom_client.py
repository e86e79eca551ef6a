"""The client against the sandbox: every method, and what is certain after each kind of bad day."""

import ast
import http.server
import inspect
import json
import logging
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from redis.exceptions import ConnectionError as CacheAway

from crm import wecom
from crm.wecom import circuit, methods, transport
from crm.wecom.methods import METHODS, Repeat
from crm.wecom.moment_records import Link

pytestmark = pytest.mark.usefixtures("db")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8ffff3f"
    "0005fe02fea1d1a0e40000000049454e44ae426082"
)
MOMENT = "externalcontact/add_moment_task"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(transport, "BACKOFF_SECONDS", 0.001)


@pytest.fixture
def client(wecom_sandbox):
    return wecom.client()


def calls(sandbox, path: str) -> int:
    return sandbox.read("state")["calls"].get(path, 0)


def test_every_method_has_a_route_in_the_sandbox_and_a_class(sandbox):
    routes = {(row["verb"], row["path"]) for row in sandbox.read("routes")}
    assert {(method.verb, method.path) for method in METHODS.values()} <= routes
    assert {method.repeat for method in METHODS.values()} == set(Repeat)


def test_every_declared_method_is_called_by_the_client():
    calls_made = Path(inspect.getfile(wecom.Client)).parent / "calls"
    named = {
        node.attr
        for path in calls_made.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "methods"
    }
    declared = {name for name, it in vars(methods).items() if isinstance(it, methods.Method)}
    assert declared - named == {"GET_TOKEN"}


def test_the_directory_is_read(client):
    departments = client.departments()
    assert {"id", "name", "parentid", "order"} <= departments[0].keys()
    members = [row for d in departments for row in client.members(d["id"])]
    assert client.member(members[0]["userid"])["name"] == members[0]["name"]
    assert set(client.follow_users()) <= {row["userid"] for row in members}


def test_customers_come_the_same_by_one_and_by_all(client):
    userids = client.follow_users()
    everybody = list(client.contacts_of(userids))
    one = everybody[0]
    alone = client.contact(one.customer.external_userid)
    assert alone.customer == one.customer
    [relation] = [r for r in alone.relations if r.userid == one.relations[0].userid]
    assert relation == one.relations[0]
    assert len(everybody) > 50


def test_tags_come_whole_or_by_name_of_group(client):
    groups = client.corp_tags()
    assert groups and groups[0].tags
    assert client.corp_tags(group_ids=[groups[0].wecom_id]) == groups[:1]


def test_groups_are_listed_and_read(client):
    chat_ids = client.groups()
    group = client.group(chat_ids[0])
    assert group.chat_id == chat_ids[0]
    assert {member.userid for member in group.members} >= {group.owner}
    assert client.groups(owners=[group.owner])


def test_a_moment_goes_from_creation_to_likes(client, wecom_sandbox):
    media = client.upload_attachment(PNG, name="三亚.png")
    [userid, *_] = client.follow_users()
    jobid = client.create_moment(
        text="五月厦门，错峰出发", image_ids=[media.media_id], userids=[userid]
    )
    assert not client.moment_job(jobid).is_finished
    wecom_sandbox.control("clock", advance=4)
    job = client.moment_job(jobid)
    assert (job.is_finished, job.code, bool(job.moment_id)) == (True, 0, True)
    now = timezone.now()
    [moment] = [
        m
        for m in client.moments(now - timedelta(days=1), now + timedelta(days=1))
        if m.moment_id == job.moment_id
    ]
    assert (moment.text, moment.is_corporate, len(moment.image_ids)) == (
        "五月厦门，错峰出发",
        True,
        1,
    )
    assert [task.userid for task in client.moment_tasks(job.moment_id)] == [userid]
    wecom_sandbox.step("publish_moment", moment_id=job.moment_id, userid=userid)
    assert client.moment_tasks(job.moment_id)[0].is_published
    chosen = client.moment_customers(job.moment_id, userid)
    assert set(client.moment_visible_to(job.moment_id, userid)) <= set(chosen)
    wecom_sandbox.control("clock", advance=3600)
    reactions = client.moment_comments(job.moment_id, userid)
    assert all(r.external_userid or r.userid for r in [*reactions.likes, *reactions.comments])
    client.cancel_moment(job.moment_id)
    client.cancel_moment(job.moment_id)


def test_a_moment_with_a_link_carries_its_cover(client, wecom_sandbox):
    media = client.upload_attachment(PNG, name="cover.png")
    link = Link("三亚攻略", "https://travel.example/sanya", media.media_id)
    [group, *_] = client.corp_tags()
    client.create_moment(text="", link=link, tag_ids=[group.tags[0].wecom_id])
    [entry] = wecom_sandbox.ledger(MOMENT)
    assert entry["body"]["attachments"][0]["link"]["media_id"] == media.media_id


def test_messages_to_agents_and_their_statistics(client, wecom_sandbox):
    [userid, *_] = client.follow_users()
    assert client.send_app_message([userid, "nobody"], "请在今天发表").invalid_userids == (
        "nobody",
    )
    now = timezone.now()
    spans = [
        client.behavior_data(userid, now - timedelta(days=7), now - timedelta(days=1))
        for userid in client.follow_users()
    ]
    assert {len(days) for days in spans} == {7}
    assert any(day.messages for days in spans for day in days)


@pytest.mark.parametrize("given", [{}, {"userids": []}, {"tag_ids": []}])
def test_an_empty_audience_never_leaves_the_house(client, wecom_sandbox, given):
    with pytest.raises(wecom.NothingToSend):
        client.create_moment(text="给谁？", **given)
    with pytest.raises(wecom.NothingToSend):
        client.send_app_message([], "给谁？")
    assert calls(wecom_sandbox, MOMENT) == 0


# Tokens


def test_one_token_serves_all_calls(client, wecom_sandbox):
    for _ in range(3):
        client.follow_users()
    assert calls(wecom_sandbox, "gettoken") == 1


@pytest.mark.parametrize("action", ["revoke", "expire"])
def test_a_stale_token_is_renewed_once_and_the_call_repeated_once(client, wecom_sandbox, action):
    client.follow_users()
    wecom_sandbox.control("tokens", action=action)
    jobid = client.create_moment(text="令牌过期也只发一次", userids=client.follow_users()[:1])
    assert jobid
    assert len(wecom_sandbox.ledger(MOMENT)) == 1
    assert calls(wecom_sandbox, "gettoken") == 2


def test_a_token_that_is_refused_twice_is_our_own_trouble(client, wecom_sandbox):
    wecom_sandbox.fault("externalcontact/get_follow_user_list", "errcode", errcode=40014)
    with pytest.raises(wecom.Misconfigured):
        client.follow_users()
    assert calls(wecom_sandbox, "gettoken") == 2


def test_a_wrong_secret_says_what_to_look_at(client, wecom_sandbox, settings):
    settings.WECOM_SECRET = "wrong"
    with pytest.raises(wecom.Misconfigured, match="WECOM_SECRET"):
        wecom.client().follow_users()


@pytest.mark.django_db(transaction=True)
def test_many_threads_fetch_one_token(client, wecom_sandbox):
    wecom_sandbox.fault("gettoken", "delay", delay=0.3)
    start, failures = threading.Barrier(8), []

    def work() -> None:
        try:
            start.wait()
            client.follow_users()
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert calls(wecom_sandbox, "gettoken") == 1


def test_without_the_cache_a_process_keeps_its_token(client, wecom_sandbox, monkeypatch):
    def away(*_args, **_kwargs):
        raise CacheAway

    for name in ("get", "set", "add", "delete_many"):
        monkeypatch.setattr(cache, name, away)
    before = calls(wecom_sandbox, "gettoken")
    for _ in range(3):
        client.follow_users()
    assert calls(wecom_sandbox, "gettoken") == before + 1


# What is certain afterwards


def test_a_read_is_repeated_where_the_connection_broke(client, wecom_sandbox):
    for kind in ("drop", "http_500", "errcode"):
        wecom_sandbox.fault("externalcontact/get_follow_user_list", kind, count=2)
        assert client.follow_users()


def test_busy_is_answered_three_times_and_then_told(client, wecom_sandbox):
    wecom_sandbox.fault("externalcontact/get_follow_user_list", "errcode", errcode=-1)
    client.departments()
    with pytest.raises(wecom.RetryLater):
        client.follow_users()
    assert calls(wecom_sandbox, "externalcontact/get_follow_user_list") == 4


@pytest.mark.parametrize(
    ("kind", "applied"),
    [("drop", 0), ("http_500", 0), ("errcode", 0), ("effect_then_drop", 1)],
)
def test_an_unclear_creation_is_told_as_unclear_and_never_repeated(
    client, wecom_sandbox, kind, applied
):
    userids = client.follow_users()[:1]
    wecom_sandbox.fault(MOMENT, kind)
    with pytest.raises(wecom.OutcomeUnknown):
        client.create_moment(text="一次", userids=userids)
    assert calls(wecom_sandbox, MOMENT) == 1
    assert len(wecom_sandbox.ledger(MOMENT)) == applied


def test_silence_after_the_effect_is_unclear_too(client, wecom_sandbox, monkeypatch):
    quick = methods.Method(MOMENT, "POST", Repeat.STATE_CHECKABLE, timeout=0.3)
    monkeypatch.setattr(methods, "CREATE_MOMENT", quick)
    userids = client.follow_users()[:1]
    wecom_sandbox.fault(MOMENT, "effect_then_timeout", delay=2)
    with pytest.raises(wecom.OutcomeUnknown):
        client.create_moment(text="一次", userids=userids)
    assert len(wecom_sandbox.ledger(MOMENT)) == 1


def test_nobody_there_means_that_nothing_happened(settings, wecom_sandbox):
    token_known = wecom.client()
    token_known.follow_users()
    settings.WECOM_BASE_URL = "http://127.0.0.1:9"
    with pytest.raises(wecom.NotReachable):
        wecom.client().create_moment(text="没人", userids=["li.ting"])


def test_an_unclear_token_means_that_the_call_was_never_made(client, wecom_sandbox):
    wecom_sandbox.fault("gettoken", "effect_then_drop")
    with pytest.raises(wecom.NotReachable):
        client.create_moment(text="没有令牌", userids=["li.ting"])
    assert calls(wecom_sandbox, MOMENT) == 0


@pytest.mark.parametrize("code", [41063, 41079, 45033, 6000, 41096])
def test_later_codes_are_certain_and_not_repeated_at_once(client, wecom_sandbox, code):
    userids = client.follow_users()[:1]
    wecom_sandbox.fault(MOMENT, "errcode", errcode=code)
    with pytest.raises(wecom.RetryLater) as caught:
        client.create_moment(text="稍后", userids=userids)
    assert (caught.value.code, caught.value.retry_after > 0) == (code, True)
    assert calls(wecom_sandbox, MOMENT) == 1


def test_a_refusal_is_worded_for_the_operator_without_our_address(client):
    with pytest.raises(wecom.Refused) as caught:
        client.contact("wmNobody")
    assert caught.value.code == 40096
    assert str(caught.value) == "客户编号无效（企业微信错误 40096）"
    with pytest.raises(wecom.Refused) as caught:
        client.members(999_999)
    assert "hint" not in str(caught.value) and "127.0.0.1" not in str(caught.value)


# The circuit


def test_too_often_closes_the_method_until_one_probe_succeeds(client, wecom_sandbox, monkeypatch):
    path = "externalcontact/get_follow_user_list"
    monkeypatch.setattr(circuit, "FIRST_PAUSE", 1)
    fault = wecom_sandbox.fault(path, "45009")
    with pytest.raises(wecom.RetryLater) as caught:
        client.follow_users()
    assert 0 < caught.value.retry_after <= 1
    before = calls(wecom_sandbox, path)
    with pytest.raises(wecom.RetryLater):
        client.follow_users()
    assert calls(wecom_sandbox, path) == before  # It did not even leave the house.
    assert client.departments()  # Other methods go on.
    wecom_sandbox.control("faults", verb="DELETE", id=fault)
    in_two_seconds = time.time() + 2
    monkeypatch.setattr(time, "time", lambda: in_two_seconds)
    assert circuit.seconds_until_open(path) == 0
    assert circuit.seconds_until_open(path) > 0  # One probe at a time.
    circuit.note_success(path)
    assert client.follow_users()
    assert not circuit.is_probing(path)


def test_a_probe_that_fails_doubles_the_pause(monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    assert circuit.close("x") == 60
    assert circuit.close("x") == pytest.approx(60)  # A call that was under way.
    for pause in (120, 240, 480, 960, 1920, 3600, 3600):
        now += 3601
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert circuit.seconds_until_open("x") == 0
        assert circuit.close("x") == pause


# The wire


def test_names_travel_as_real_utf_8_and_nothing_personal_is_logged(client, wecom_sandbox, caplog):
    caplog.set_level(logging.DEBUG)
    userids = client.follow_users()[:1]
    client.create_moment(text="张小红 13912345678 的假期", userids=userids)
    [entry] = wecom_sandbox.ledger(MOMENT)
    assert entry["body"]["text"]["content"].startswith("张小红")
    logged = " ".join(str(record.msg) + str(record.args) for record in caplog.records)
    assert MOMENT in logged
    for secret in ("张小红", "13912345678", wecom_sandbox.secret, "sbx-1-"):
        assert secret not in logged


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b'{"errcode": "0"}', b"\xff"])
def test_an_answer_that_is_not_wecoms_is_unclear(settings, answer):
    server = http.server.HTTPServer(("127.0.0.1", 0), _answering(answer))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.WECOM_BASE_URL = f"http://127.0.0.1:{server.server_port}"
    settings.WECOM_CORP_ID, settings.WECOM_SECRET = "ww", "other"
    try:
        with pytest.raises(wecom.OutcomeUnknown):
            wecom.client().create_moment(text="x", userids=["a"])
        with pytest.raises(wecom.OutcomeUnknown):
            wecom.client().follow_users()
    finally:
        server.shutdown()
        server.server_close()


def _answering(content: bytes) -> type[http.server.BaseHTTPRequestHandler]:
    token = json.dumps({"errcode": 0, "access_token": "t", "expires_in": 7200}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = token if "gettoken" in self.path else content
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_args) -> None:
            return

    return Handler
