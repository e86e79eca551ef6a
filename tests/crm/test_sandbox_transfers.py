"""Transfers in the sandbox: customers and groups change hands, in service and after leaving."""

import pytest

from tests.crm.sandbox_calls import all_pairs

DAY = 86_400
DONE, WAITING, REFUSED, FULL = 1, 2, 3, 4


@pytest.fixture
def token(sandbox):
    sandbox.control("settings", refusals=0)
    return sandbox.access_token()


@pytest.fixture
def agents(sandbox, token):
    return sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]


def call(sandbox, path, **body):
    """With a fresh token, as the clock moves by days here."""
    return sandbox.post(f"externalcontact/{path}", sandbox.access_token(), **body)


def own_customer(sandbox, token, giver, taker):
    """Somebody whom the taker does not know yet."""
    known = {p["external_contact"]["external_userid"] for p in all_pairs(sandbox, token, [taker])}
    pairs = all_pairs(sandbox, token, [giver])
    keys = [p["external_contact"]["external_userid"] for p in pairs]
    return next(key for key in keys if key not in known)


def transfer(sandbox, giver, taker, *keys, path="transfer_customer"):
    answer = call(
        sandbox, path, handover_userid=giver, takeover_userid=taker, external_userid=list(keys)
    )
    if answer["errcode"]:
        return answer["errcode"]
    return [customer["errcode"] for customer in answer["customer"]]


def result(sandbox, giver, taker, path="transfer_result"):
    answer = call(sandbox, path, handover_userid=giver, takeover_userid=taker)
    return {row["external_userid"]: row["status"] for row in answer["customer"]}


def events(sandbox):
    return [row["xml"] for row in sandbox.read("callbacks")[::-1]]


def test_a_transfer_waits_a_day_and_then_moves_the_customer(sandbox, token, agents):
    giver, taker = agents[:2]
    key = own_customer(sandbox, token, giver, taker)
    assert transfer(sandbox, giver, taker, key) == [0]
    assert result(sandbox, giver, taker) == {key: WAITING}
    assert events(sandbox) == []
    sandbox.control("clock", advance=DAY - 60)
    assert result(sandbox, giver, taker) == {key: WAITING}
    sandbox.control("clock", advance=120)
    assert result(sandbox, giver, taker) == {key: DONE}
    deleted, added = events(sandbox)
    assert "DELETE_BY_TRANSFER" in deleted
    assert giver in deleted
    assert "add_external_contact" in added
    assert taker in added
    answer = sandbox.get(
        "externalcontact/get", access_token=sandbox.access_token(), external_userid=key
    )
    follows = {follow["userid"]: follow for follow in answer["follow_user"]}
    assert follows[taker]["add_way"] == 202
    assert giver not in follows


def test_a_customer_may_refuse_within_the_day(sandbox, token, agents):
    giver, taker = agents[:2]
    key = own_customer(sandbox, token, giver, taker)
    transfer(sandbox, giver, taker, key)
    sandbox.step("refuse_transfer", external_userid=key)
    assert result(sandbox, giver, taker) == {key: REFUSED}
    (failed,) = events(sandbox)
    assert "transfer_fail" in failed
    assert "customer_refused" in failed


def test_some_customers_refuse_by_themselves(sandbox, token, agents):
    giver, taker = agents[:2]
    sandbox.control("settings", refusals=1)
    key = own_customer(sandbox, token, giver, taker)
    transfer(sandbox, giver, taker, key)
    sandbox.control("clock", advance=DAY)
    assert result(sandbox, giver, taker) == {key: REFUSED}


def test_a_member_with_no_room_takes_nobody_now_nor_later(sandbox, token, agents):
    giver, taker = agents[:2]
    key = own_customer(sandbox, token, giver, taker)
    sandbox.control("settings", customer_limit={taker: 0})
    assert transfer(sandbox, giver, taker, key) == [40099]
    sandbox.control("settings", customer_limit={})
    transfer(sandbox, giver, taker, key)
    sandbox.control("settings", customer_limit={taker: 0})
    sandbox.control("clock", advance=DAY + 60)
    assert result(sandbox, giver, taker) == {key: FULL}
    assert "customer_limit_exceed" in events(sandbox)[0]


def test_the_third_transfer_in_ninety_days_is_one_too_many(sandbox, token, agents):
    giver, taker = agents[:2]
    key = own_customer(sandbox, token, giver, taker)
    assert transfer(sandbox, giver, taker, key) == [0]
    assert transfer(sandbox, giver, taker, key) == [40129]
    sandbox.control("clock", advance=DAY + 60)
    assert transfer(sandbox, taker, giver, key) == [0]
    sandbox.control("clock", advance=DAY + 60)
    assert transfer(sandbox, giver, taker, key) == [40128]
    sandbox.control("clock", advance=89 * DAY)
    assert transfer(sandbox, giver, taker, key) == [0]


def test_a_transfer_between_the_wrong_people_is_refused(sandbox, token, agents):
    giver, taker = agents[:2]
    key = own_customer(sandbox, token, giver, taker)
    assert transfer(sandbox, giver, giver, key) == 40130
    assert transfer(sandbox, giver, "nobody", key) == 60111
    assert transfer(sandbox, giver, taker, "wm0") == [40096]
    assert transfer(sandbox, taker, giver, key) == [40131]
    assert transfer(sandbox, giver, taker, key, path="resigned/transfer_customer") == 40097
    assert transfer(sandbox, giver, taker, *(f"wm{n}" for n in range(101))) == 40058
    assert sandbox.ledger("externalcontact/transfer_customer") == []


# After leaving


def test_the_customers_of_a_leaver_wait_for_somebody(sandbox, token, agents):
    giver, taker = agents[:2]
    mine = {p["external_contact"]["external_userid"] for p in all_pairs(sandbox, token, [giver])}
    assert call(sandbox, "get_unassigned_list")["info"] == []
    sandbox.step("member_leave", userid=giver)
    assert sandbox.read("callbacks") == []
    follow = sandbox.get("externalcontact/get_follow_user_list", access_token=token)
    assert giver not in follow["follow_user"]
    by_page = [call(sandbox, "get_unassigned_list", page_id=page, page_size=4) for page in range(2)]
    by_cursor = call(sandbox, "get_unassigned_list", page_size=4, cursor=by_page[0]["next_cursor"])
    assert by_cursor["info"] == by_page[1]["info"]
    everything = call(sandbox, "get_unassigned_list")
    assert {row["external_userid"] for row in everything["info"]} == mine
    assert everything["is_last"] is True
    assert everything["info"][0]["dimission_time"] > 0
    deep = call(sandbox, "get_unassigned_list", page_id=50, page_size=1000)
    assert deep["errcode"] == 40058
    key = next(iter(mine))
    path = "resigned/transfer_customer"
    assert transfer(sandbox, giver, taker, key, path=path) == [0]
    left = {row["external_userid"] for row in call(sandbox, "get_unassigned_list")["info"]}
    assert left == mine - {key}
    sandbox.control("clock", advance=DAY + 60)
    assert result(sandbox, giver, taker, "resigned/transfer_result") == {key: DONE}
    (added,) = events(sandbox)
    assert "add_external_contact" in added


# Groups


def groups_of(sandbox, owner):
    return [c["chat_id"] for c in sandbox.read("world")["groups"] if c["owner"] == owner]


def give_groups(sandbox, path, chats, taker):
    answer = call(sandbox, f"groupchat/{path}", chat_id_list=chats, new_owner=taker)
    assert answer["errcode"] == 0
    return {row["chat_id"]: row["errcode"] for row in answer["failed_chat_list"]}


def test_groups_change_hands_at_once_and_twice_in_ninety_days(sandbox, token, agents):
    owner = sandbox.read("world")["groups"][0]["owner"]
    taker = next(userid for userid in agents if userid != owner)
    chat = groups_of(sandbox, owner)[0]
    assert give_groups(sandbox, "onjob_transfer", [chat, "wr0"], taker) == {"wr0": 40050}
    assert give_groups(sandbox, "onjob_transfer", [chat], taker) == {chat: 90504}
    assert give_groups(sandbox, "onjob_transfer", [chat], owner) == {}
    assert give_groups(sandbox, "onjob_transfer", [chat], taker) == {chat: 90508}
    assert sandbox.read("callbacks") == []


def test_groups_of_a_leaver_are_listed_by_name_only_and_then_given(sandbox, token, agents):
    owner = sandbox.read("world")["groups"][0]["owner"]
    taker = next(userid for userid in agents if userid != owner)
    chats = groups_of(sandbox, owner)
    assert give_groups(sandbox, "transfer", chats[:1], taker) == {chats[0]: 90500}
    sandbox.step("member_leave", userid=owner)

    def listed(**body):
        answer = call(sandbox, "groupchat/list", limit=1000, **body)
        return {row["chat_id"]: row["status"] for row in answer["group_chat_list"]}

    assert not set(listed()) & set(chats)
    assert listed(owner_filter={"userid_list": [owner]}) == dict.fromkeys(chats, 1)
    assert give_groups(sandbox, "onjob_transfer", chats, taker) == dict.fromkeys(chats, 90502)
    assert give_groups(sandbox, "transfer", chats, taker) == {}
    assert listed(status_filter=3) == dict.fromkeys(chats, 3)
