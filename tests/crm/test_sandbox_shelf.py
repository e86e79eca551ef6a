"""What apps put on the sandbox's shelves: templates, word rules, products, rule groups."""

import pytest

from tests.crm.sandbox_calls import PICTURE, upload

DAY = 86_400


@pytest.fixture
def token(sandbox):
    return sandbox.access_token()


@pytest.fixture
def agents(sandbox, token):
    return sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]


def call(sandbox, token, path, **body):
    return sandbox.post(f"externalcontact/{path}", token, **body)


# Welcome templates of groups


def test_a_group_welcome_keeps_text_and_the_first_of_its_attachments(sandbox, token):
    picture = upload(sandbox, token, "upload", PICTURE, type="image")["media_id"]
    made = call(
        sandbox,
        token,
        "group_welcome_template/add",
        text={"content": "%NICKNAME% 你好"},
        link={"title": "三亚", "url": "https://ota.example/1"},
        image={"media_id": picture},
    )
    key = {"template_id": made["template_id"]}
    shown = call(sandbox, token, "group_welcome_template/get", **key)
    assert shown["text"]["content"] == "%NICKNAME% 你好"
    assert ("image" in shown, "link" in shown) == (True, False)
    call(sandbox, token, "group_welcome_template/edit", **key, text={"content": "欢迎"})
    shown = call(sandbox, token, "group_welcome_template/get", **key)
    assert (shown["text"]["content"], "image" in shown) == ("欢迎", False)
    call(sandbox, token, "group_welcome_template/del", **key)
    assert call(sandbox, token, "group_welcome_template/get", **key)["errcode"] == 40058
    assert call(sandbox, token, "group_welcome_template/add")["errcode"] == 44004


def test_a_corp_has_a_hundred_group_welcomes(sandbox, token):
    codes = [
        call(sandbox, token, "group_welcome_template/add", text={"content": "x"})["errcode"]
        for _ in range(101)
    ]
    assert codes == [0] * 100 + [41055]


# Sensitive words


def test_semantics_stand_in_two_places_and_ranges_are_added_to(sandbox, token, agents):
    made = call(
        sandbox,
        token,
        "add_intercept_rule",
        rule_name="飞单防护",
        word_list=["加我微信"],
        semantics_list=[1, 3],
        intercept_type=1,
        applicable_range={"user_list": agents[:1]},
    )
    key = {"rule_id": made["rule_id"]}
    rule = call(sandbox, token, "get_intercept_rule", **key)["rule"]
    assert rule["extra_rule"] == {"semantics_list": [1, 3]}
    call(
        sandbox,
        token,
        "update_intercept_rule",
        **key,
        word_list=[],
        extra_rule={"semantics_list": []},
        add_applicable_range={"user_list": agents[1:3]},
        remove_applicable_range={"user_list": agents[:1]},
    )
    rule = call(sandbox, token, "get_intercept_rule", **key)["rule"]
    assert rule["word_list"] == ["加我微信"]
    assert rule["extra_rule"] == {"semantics_list": []}
    assert rule["applicable_range"]["user_list"] == agents[1:3]
    listed = sandbox.get("externalcontact/get_intercept_rule_list", access_token=token)
    assert [row["rule_name"] for row in listed["rule_list"]] == ["飞单防护"]
    call(sandbox, token, "del_intercept_rule", **key)
    assert call(sandbox, token, "get_intercept_rule", **key)["errcode"] == 41070


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"word_list": ["x"] * 301}, 41068),
        ({"word_list": ["长" * 33]}, 41083),
        ({"semantics_list": [4]}, 41084),
        ({"applicable_range": {}}, 40063),
        ({"rule_name": ""}, 40063),
        ({"intercept_type": 3}, 40058),
        ({"applicable_range": {"user_list": ["nobody"]}}, 60111),
    ],
)
def test_a_senseless_rule_is_refused(sandbox, token, agents, changes, errcode):
    body = {
        "rule_name": "甲",
        "word_list": ["词"],
        "intercept_type": 2,
        "applicable_range": {"user_list": agents[:1]},
    }
    assert call(sandbox, token, "add_intercept_rule", **body | changes)["errcode"] == errcode


# Products


def test_a_product_needs_pictures_uploaded_for_the_album(sandbox, token):
    plain = upload(sandbox, token, "upload", PICTURE, type="image")["media_id"]
    fitting = upload(
        sandbox, token, "upload_attachment", PICTURE, media_type="image", attachment_type=2
    )["media_id"]

    def add(media_id, **more):
        picture = {"type": "image", "image": {"media_id": media_id}}
        body = {"description": "三亚 5 日", "price": 399_900, "attachments": [picture], **more}
        return call(sandbox, token, "add_product_album", **body)

    assert add(plain)["errcode"] == 41072
    assert add(fitting, product_sn="三亚")["errcode"] == 41074
    assert add(fitting, price=5_000_001)["errcode"] == 40058
    assert add(fitting, attachments=[])["errcode"] == 41085
    made = add(fitting, product_sn="SY5")
    key = {"product_id": made["product_id"]}
    call(sandbox, token, "update_product_album", **key, price=299_900)
    product = call(sandbox, token, "get_product_album", **key)["product"]
    assert (product["price"], product["description"]) == (299_900, "三亚 5 日")
    listed = call(sandbox, token, "get_product_album_list")["product_list"]
    assert [row["product_sn"] for row in listed] == ["SY5"]
    call(sandbox, token, "delete_product_album", **key)
    assert call(sandbox, token, "get_product_album", **key)["errcode"] == 41075


# Rule groups


def test_rule_groups_are_made_listed_and_changed(sandbox, token, agents):
    made = call(
        sandbox,
        token,
        "customer_strategy/create",
        parent_id=0,
        strategy_name="华南",
        admin_list=agents[:1],
        privilege={"view_customer_list": True},
        range=[{"type": 1, "userid": agents[0]}, {"type": 2, "partyid": 1}],
    )
    key = {"strategy_id": made["strategy_id"]}
    call(
        sandbox,
        token,
        "customer_strategy/edit",
        **key,
        strategy_name="华东",
        range_del=[{"type": 2, "partyid": 1}],
    )
    shown = call(sandbox, token, "customer_strategy/get", **key)["strategy"]
    assert (shown["strategy_name"], shown["admin_list"]) == ("华东", agents[:1])
    nodes = call(sandbox, token, "customer_strategy/get_range", **key)["range"]
    assert nodes == [{"type": 1, "userid": agents[0]}]
    assert call(sandbox, token, "customer_strategy/list")["strategy"] == [key]
    call(sandbox, token, "customer_strategy/del", **key)
    assert call(sandbox, token, "customer_strategy/get", **key)["errcode"] == 40058


# Statistics of groups


def group_figures(sandbox, token, owners, **body):
    return call(sandbox, token, "groupchat/statistic", owner_filter={"userid_list": owners}, **body)


def test_group_statistics_end_yesterday_and_agree_by_owner_and_by_day(sandbox, token, agents):
    now = int(sandbox.read("state")["now"])
    span = {"day_begin_time": now - 10 * DAY, "day_end_time": now}
    by_owner = group_figures(sandbox, token, agents, **span)
    assert by_owner["total"] == len(agents)
    chats = sandbox.read("world")["groups"]
    assert sum(item["data"]["chat_total"] for item in by_owner["items"]) == len(chats)
    page = group_figures(sandbox, token, agents, **span, order_by=4, offset=2, limit=2)
    assert (len(page["items"]), page["next_offset"]) == (2, 4)
    by_day = call(
        sandbox,
        token,
        "groupchat/statistic_group_by_day",
        owner_filter={"userid_list": agents},
        **span,
    )["items"]
    assert len(by_day) == 10
    assert max(item["stat_time"] for item in by_day) < now - 3600
    for name in ("new_chat_cnt", "new_member_cnt", "msg_total"):
        total = sum(item["data"][name] for item in by_owner["items"])
        assert sum(item["data"][name] for item in by_day) == total
    today = group_figures(sandbox, token, agents, day_begin_time=now)
    everything = group_figures(sandbox, token, [], **span)
    assert [today["errcode"], everything["errcode"]] == [40058, 40063]


def test_yesterday_may_be_zero_until_the_morning(sandbox, token, agents):
    now = int(sandbox.read("state")["now"])
    local_midnight = (now + 8 * 3600) // DAY * DAY - 8 * 3600
    sandbox.control("clock", offset=local_midnight + DAY + 600 - now)
    sandbox.control("settings", statistics_hour=6)
    token = sandbox.access_token()
    span = {"day_begin_time": local_midnight, "day_end_time": local_midnight}

    def said(token):
        items = group_figures(sandbox, token, agents, **span)["items"]
        return sum(item["data"]["msg_total"] for item in items)

    assert said(token) == 0
    sandbox.control("clock", advance=6 * 3600)
    assert said(sandbox.access_token()) > 0
