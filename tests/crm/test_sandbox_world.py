"""The sandbox's world: the same for a seed, kept over a kill, told in files and on a page."""

import csv
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from crm.wecom.sandbox.acts import KINDS
from crm.wecom.sandbox.cli import parser
from crm.wecom.sandbox.control import CONTROLS, NUMBERS
from crm.wecom.sandbox.store import Store
from crm.wecom.sandbox.world import Plan, generate
from tests.sandbox_fixture import ROOT, SandboxProcess


def test_a_killed_sandbox_comes_back_with_the_same_world(tmp_path):
    process = SandboxProcess(tmp_path)
    token = process.access_token()
    process.step("add")
    process.post("externalcontact/add_corp_tag", token, group_name="一", tag=[{"name": "甲"}])
    before, ledger = process.read("world"), process.ledger()
    process.kill()
    process.start()
    try:
        assert process.read("world") == before
        assert process.ledger() == ledger
        assert process.get("getcallbackip", access_token=token)["errcode"] == 0
        process.control("reset")
        assert process.read("state")["counts"]["customers"] == 60
        assert process.get("getcallbackip", access_token=token)["errcode"] == 40014
    finally:
        process.stop()


def test_a_store_belongs_to_one_process_and_a_port_to_one_server(sandbox, tmp_path):
    def start(program, store, port):
        return subprocess.run(
            [sys.executable, *program, "--empty", "--store", str(store), "--port", str(port)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
        )

    taken_store = start(["manage.py", "sandbox"], sandbox.store, 0)
    assert taken_store.returncode == 1
    assert "another sandbox works on" in taken_store.stderr
    taken_port = start(["crm/wecom/sandbox"], tmp_path, urlsplit(sandbox.url).port)
    assert taken_port.returncode == 1
    assert "Address already in use" in taken_port.stderr
    assert "Traceback" not in taken_store.stderr + taken_port.stderr


def generated(folder: Path, plan: Plan, epoch: float) -> Store:
    store = Store(folder)
    with store.write() as db:
        generate(plan, epoch=epoch, db=db, store=store)
    return store


def read_csv(folder: Path, name: str) -> list[dict]:
    with (folder / "files" / name).open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_same_seed_gives_the_same_world_and_another_seed_another(tmp_path):
    epoch = 1_790_000_000.0
    contents = []
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        generated(tmp_path / name, Plan(seed=seed, customers=200), epoch).close()
        files = (tmp_path / name / "files").glob("*.csv")
        contents.append({path.name: path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert contents[0]["events.csv"] != contents[2]["events.csv"]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The world of the demo, generated once."""
    folder = tmp_path_factory.mktemp("large")
    epoch = time.time()
    store = generated(folder, Plan(), epoch)
    yield folder, store, epoch
    store.close()


def test_the_demo_world_has_its_promised_size(large):
    folder, store, _ = large

    def count(statement):
        return store.db.execute(statement).fetchone()[0]

    assert count("select count(*) from members where visible") == 60
    assert count("select count(*) from departments where parentid = 1") == 3
    assert count("select count(*) from departments where parentid > 1") == 8
    assert count("select count(distinct external_userid) from listed") == 8000
    assert count("select count(*) from chats") == 150
    assert len(read_csv(folder, "customers.csv")) > 8000
    assert 8_000 < len(read_csv(folder, "orders.csv")) < 13_000
    assert 80_000 < len(read_csv(folder, "events.csv")) < 130_000
    assert len(read_csv(folder, "routes.csv")) == 500
    assert {row["tier"] for row in read_csv(folder, "members.csv")} == {"黑卡", "金卡", "银卡"}


def test_files_and_platform_tell_of_the_same_people(large):
    folder, store, _ = large
    members = {row["customer_id"]: row for row in read_csv(folder, "customers.csv")}
    friends = {row["unionid"] for row in store.db.execute("select unionid from contacts")}
    strangers = [row for row in members.values() if row["unionid"] not in friends]
    assert len(strangers) > 4000
    orders = read_csv(folder, "orders.csv")
    assert {order["customer_id"] for order in orders} <= set(members)
    assert len({order["order_id"] for order in orders}) == len(orders)
    assert {order["status"] for order in orders} == {"paid", "refunded", "cancelled"}
    cards = read_csv(folder, "members.csv")
    paid = Counter(order["customer_id"] for order in orders if order["status"] == "paid")
    earned = {who for who, trips in paid.items() if trips > 1}
    assert sorted(card["customer_id"] for card in cards) == sorted(earned)
    events = read_csv(folder, "events.csv")
    assert len({event["event_id"] for event in events}) == len(events)
    listed = {row["external_userid"] for row in store.db.execute("select * from listed")}
    added = [event for event in events if event["event"] == "friend_added"]
    assert not {event["customer_id"] for event in added} & listed
    gone = [event for event in events if event["event"].startswith("friend_deleted_by_")]
    assert len(gone) == len(added)
    agents = {row["userid"] for row in store.db.execute("select userid from members")}
    assert {event["agent_id"] for event in events} <= agents | {""}


def test_channels_keep_and_lose_people_differently(large):
    folder, store, _ = large
    kept = Counter(
        row["state"] for row in store.db.execute("select state from relations where state <> ''")
    )
    lost = Counter(
        event["channel"]
        for event in read_csv(folder, "events.csv")
        if event["event"] == "friend_added"
    )
    share = {state: lost[state] / (lost[state] + kept[state]) for state in kept}
    assert share["fission-gift"] > 0.35
    assert share["friend-referral"] < 0.1
    assert max(share, key=share.get) == "fission-gift"


def test_recent_talk_of_who_agreed_stands_in_the_archive_instead_of_the_file(tmp_path):
    epoch, said = 1_790_000_000.0, {}
    for agreeing in (0.0, 1.0):
        folder = tmp_path / str(agreeing)
        store = generated(folder, Plan(customers=200, agreeing=agreeing), epoch)
        archived = store.db.execute("select count(*) from archive").fetchone()[0]
        told = [row["event"] for row in read_csv(folder, "events.csv")]
        said[agreeing] = (archived, sum(event.startswith("message_") for event in told))
        store.close()
    assert said[0.0][0] == 0 < said[1.0][0]
    assert sum(said[0.0]) == sum(said[1.0])


def test_an_empty_world_has_staff_and_tags_only(tmp_path):
    store = generated(tmp_path, Plan(empty=True, agents=6), time.time())
    counts = {
        table: store.db.execute("select count(*) from " + table).fetchone()[0]
        for table in ("members", "tags", "contacts", "chats")
    }
    store.close()
    assert counts["members"] == 7
    assert counts["tags"] > 30
    assert counts["contacts"] == counts["chats"] == 0


# Control and page


def test_the_page_shows_both_languages_and_escapes_what_people_typed(sandbox):
    sandbox.step("add", name="<script>alert(1)</script>")
    chinese = urlopen(f"{sandbox.url}/", timeout=10).read().decode()
    english = urlopen(f"{sandbox.url}/?lang=en", timeout=10).read().decode()
    assert "最近的客户" in chinese
    assert "Latest customers" in english
    assert "&lt;script&gt;alert(1)" in chinese
    assert "<script>" not in chinese


def test_the_page_shows_what_is_under_way(sandbox):
    token = sandbox.access_token()
    agents = sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]
    way = {"type": 1, "scene": 2, "user": agents[:1], "remark": "<b>小红书</b>"}
    way = sandbox.post("externalcontact/add_contact_way", token, **way)
    added = sandbox.step("scan", config_id=way["config_id"])
    pair = {"userid": added["UserID"], "external_userid": added["ExternalUserID"]}
    sandbox.post(
        "externalcontact/add_msg_template", token, sender=agents[0], text={"content": "国庆套餐"}
    )
    sandbox.step("agree", **pair)
    sandbox.step("message", **pair, content="还有<i>房</i>吗")
    sandbox.post(
        "externalcontact/transfer_customer",
        token,
        handover_userid=agents[0],
        takeover_userid=agents[1],
        external_userid=[pair["external_userid"]],
    )
    page = urlopen(f"{sandbox.url}/?lang=en", timeout=10).read().decode()
    for shown in (
        *("&lt;b&gt;小红书", "国庆套餐", "Waits for the customer", "还有&lt;i&gt;房"),
        *("Contact way", "Mass messages", "Chat archive", "Quota 1,000"),
    ):
        assert shown in page
    assert "<i>" not in page


def test_the_document_names_every_act_option_setting_and_control():
    document = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    options = {option for action in parser()._actions for option in action.option_strings}
    told = {f"`{name}" for name in KINDS} | {f"`{name}`" for name in NUMBERS}
    told |= {f"`{option}" for option in options if option not in ("-h", "--help")}
    told |= {path for _, path in CONTROLS}
    assert {name for name in told if name not in document} == set()


def test_control_listens_to_this_machine_and_to_json_only(sandbox):
    def status(headers):
        request = Request(f"{sandbox.url}/_sandbox/reset", data=b"{}", headers=headers)
        try:
            with urlopen(request, timeout=10) as answer:
                return answer.status
        except HTTPError as error:
            return error.code

    as_json = {"Content-Type": "application/json"}
    assert status(as_json) == 200
    assert status({"Content-Type": "application/x-www-form-urlencoded"}) == 415
    assert status({**as_json, "Host": "rebound.example"}) == 403
