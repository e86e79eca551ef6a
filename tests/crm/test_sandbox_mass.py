"""Mass messages of the sandbox: tasks that members confirm, caps, reminders, records."""

from calendar import monthrange
from time import gmtime

import pytest

from tests.crm.sandbox_calls import a_pair, all_pairs

DAY = 86_400
SENT, NO_FRIEND, FULL = 1, 2, 3


@pytest.fixture
def token(sandbox):
    return sandbox.access_token()


@pytest.fixture
def agents(sandbox, token):
    return sandbox.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]


def call(sandbox, token, path, **body):
    return sandbox.post(f"externalcontact/{path}", token, **body)


def create(sandbox, token, **body):
    return call(sandbox, token, "add_msg_template", text={"content": "国庆套餐"}, **body)


def dispatched(sandbox, token, **body):
    """A message whose tasks can be asked about."""
    answer = create(sandbox, token, **body)
    assert answer["errcode"] == 0, answer
    sandbox.control("clock", advance=3.5)
    return answer["msgid"]


def results(sandbox, token, msgid, userid):
    answer = call(sandbox, token, "get_groupmsg_send_result", msgid=msgid, userid=userid)
    return {row.get("external_userid") or row["chat_id"]: row for row in answer["send_list"]}


def statuses(sandbox, token, msgid, userid):
    return {key: row["status"] for key, row in results(sandbox, token, msgid, userid).items()}


def friends(sandbox, token, userid):
    return [p["external_contact"]["external_userid"] for p in all_pairs(sandbox, token, [userid])]


def test_a_mass_message_is_being_dispatched_at_first(sandbox, token, agents):
    msgid = create(sandbox, token, sender=agents[0])["msgid"]
    assert call(sandbox, token, "get_groupmsg_task", msgid=msgid)["errcode"] == 41063
    sandbox.control("clock", advance=3.5)
    tasks = call(sandbox, token, "get_groupmsg_task", msgid=msgid)["task_list"]
    assert tasks == [{"userid": agents[0], "status": 0}]
    codes = [
        call(sandbox, token, "get_groupmsg_task", **body)["errcode"]
        for body in ({}, {"msgid": "msg0"})
    ]
    assert codes == [41046, 41047]


def test_customers_get_it_once_their_member_presses_send(sandbox, token, agents):
    mine = friends(sandbox, token, agents[0])
    msgid = dispatched(sandbox, token, sender=agents[0])
    assert set(statuses(sandbox, token, msgid, agents[0]).values()) == {0}
    sandbox.step("send_mass", msgid=msgid)
    assert statuses(sandbox, token, msgid, agents[0]) == dict.fromkeys(mine, SENT)
    (task,) = call(sandbox, token, "get_groupmsg_task", msgid=msgid)["task_list"]
    assert task["status"] == 2
    assert task["send_time"] > 0


def test_members_send_soon_late_or_never_by_themselves(sandbox, token, agents):
    everybody = list({key for userid in agents for key in friends(sandbox, token, userid)})
    messages = [dispatched(sandbox, token, external_userid=everybody) for _ in range(12)]

    def waiting(token):
        answers = [call(sandbox, token, "get_groupmsg_task", msgid=msgid) for msgid in messages]
        return sum(task["status"] == 0 for answer in answers for task in answer["task_list"])

    counts = [waiting(token)]
    for seconds in (900, 6 * 3600):
        sandbox.control("clock", advance=seconds)
        counts.append(waiting(sandbox.access_token()))
    assert counts[0] > counts[1] > counts[2] > 0


def test_of_several_members_the_one_who_dealt_with_the_customer_last_gets_the_task(
    sandbox, token, agents
):
    old, key = a_pair(sandbox, token, agents)
    other = next(userid for userid in agents if userid != old)
    sandbox.step("add", userid=other, external_userid=key)
    msgid = dispatched(sandbox, token, external_userid=[key, "wm-unknown"])
    assert list(results(sandbox, token, msgid, other)) == [key]
    failed = create(sandbox, token, external_userid=[key, "wm-unknown"])["fail_list"]
    assert failed == ["wm-unknown"]


def test_tags_of_a_group_are_alternatives_and_groups_are_conditions(sandbox, token, agents):
    first, second, third = friends(sandbox, token, agents[0])[:3]
    made = call(
        sandbox, token, "add_corp_tag", group_name="人群", tag=[{"name": n} for n in "甲乙丙"]
    )
    tags = {tag["name"]: tag["id"] for tag in made["tag_group"]["tag"]}
    for key, names in ((first, "甲丙"), (second, "乙丙"), (third, "甲")):
        call(
            sandbox,
            token,
            "mark_tag",
            userid=agents[0],
            external_userid=key,
            add_tag=[tags[name] for name in names],
        )
    groups = [{"tag_list": [tags["甲"], tags["乙"]]}, {"tag_list": [tags["丙"]]}]
    msgid = dispatched(sandbox, token, tag_filter={"group_list": groups})
    assert set(results(sandbox, token, msgid, agents[0])) == {first, second}
    unknown = create(sandbox, token, tag_filter={"group_list": [{"tag_list": ["et0"]}]})
    assert unknown["errcode"] == 40068


def test_who_deleted_the_member_shows_as_no_friend_any_more(sandbox, token, agents):
    userid, key = a_pair(sandbox, token, agents)
    sandbox.step("delete_by_customer", userid=userid, external_userid=key)
    msgid = dispatched(sandbox, token, sender=userid)
    sandbox.step("send_mass", msgid=msgid)
    assert statuses(sandbox, token, msgid, userid)[key] == NO_FRIEND


def test_a_customer_takes_as_many_as_the_month_has_days_own_sends_included(sandbox, token, agents):
    userid, key = a_pair(sandbox, token, agents)
    sandbox.control("clock", advance=40 * DAY)  # Nothing was sent in that month yet.
    local = sandbox.read("state")["now"] + 8 * 3600
    days = calendar_days(local)
    sandbox.step("personal_mass", userid=userid, external_userid=key, count=days - 1)
    token = sandbox.access_token()
    seen = []
    for _ in range(2):
        msgid = dispatched(sandbox, token, external_userid=[key], sender=userid)
        sandbox.step("send_mass", msgid=msgid)
        seen.append(statuses(sandbox, token, msgid, userid)[key])
    assert seen == [SENT, FULL]


def calendar_days(local):
    day = gmtime(local)
    return monthrange(day.tm_year, day.tm_mon)[1]


def test_the_admin_may_allow_one_a_day_only(sandbox, token, agents):
    userid, key = a_pair(sandbox, token, agents)
    sandbox.control("settings", receive_rule=2)
    sandbox.step("personal_mass", userid=userid, external_userid=key)
    msgid = dispatched(sandbox, token, external_userid=[key], sender=userid)
    sandbox.step("send_mass", msgid=msgid)
    assert statuses(sandbox, token, msgid, userid)[key] == FULL
    sandbox.control("clock", advance=DAY)
    token = sandbox.access_token()
    msgid = dispatched(sandbox, token, external_userid=[key], sender=userid)
    sandbox.step("send_mass", msgid=msgid)
    assert statuses(sandbox, token, msgid, userid)[key] == SENT


def test_a_member_may_send_to_a_part_only(sandbox, token, agents):
    msgid = dispatched(sandbox, token, sender=agents[0], allow_select=True)
    sandbox.step("send_mass", msgid=msgid, share=0.5)
    seen = list(statuses(sandbox, token, msgid, agents[0]).values())
    assert seen.count(SENT) == len(seen) // 2
    assert seen.count(0) == len(seen) - len(seen) // 2


def test_three_reminders_a_day_and_none_after_cancelling(sandbox, token, agents):
    msgid = dispatched(sandbox, token, sender=agents[0])

    def remind(token):
        return call(sandbox, token, "remind_groupmsg_send", msgid=msgid)["errcode"]

    assert [remind(token) for _ in range(4)] == [0, 0, 0, 41094]
    sandbox.control("clock", advance=DAY + 1)
    token = sandbox.access_token()
    assert remind(token) == 0
    assert call(sandbox, token, "cancel_groupmsg_send", msgid=msgid)["errcode"] == 0
    assert remind(token) == 41093
    assert call(sandbox, token, "cancel_groupmsg_send", msgid=msgid)["errcode"] == 41093


def test_cancelling_stops_those_who_have_not_sent_and_recalls_nothing(sandbox, token, agents):
    everybody = list({key for userid in agents for key in friends(sandbox, token, userid)})
    msgid = dispatched(sandbox, token, external_userid=everybody)
    sandbox.step("send_mass", msgid=msgid, userid=agents[0])
    call(sandbox, token, "cancel_groupmsg_send", msgid=msgid)
    sandbox.step("send_mass", msgid=msgid)
    tasks = call(sandbox, token, "get_groupmsg_task", msgid=msgid)["task_list"]
    assert {task["userid"] for task in tasks if task["status"] == 2} == {agents[0]}
    assert set(statuses(sandbox, token, msgid, agents[0]).values()) == {SENT}


def test_group_messages_need_a_sender_and_show_sent_groups_only(sandbox, token):
    chats = sandbox.read("world")["groups"]
    owner = chats[0]["owner"]
    own = {chat["chat_id"] for chat in chats if chat["owner"] == owner}
    assert create(sandbox, token, chat_type="group")["errcode"] == 41009
    foreign = next(chat["chat_id"] for chat in chats if chat["owner"] != owner)
    answer = create(
        sandbox, token, chat_type="group", sender=owner, chat_id_list=[*sorted(own), foreign]
    )
    assert answer["fail_list"] == [foreign]
    msgid = dispatched(sandbox, token, chat_type="group", sender=owner)
    assert statuses(sandbox, token, msgid, owner) == {}
    sandbox.step("send_mass", msgid=msgid)
    assert statuses(sandbox, token, msgid, owner) == dict.fromkeys(own, SENT)


def test_personal_sends_are_listed_with_their_creator(sandbox, token, agents):
    corp = dispatched(sandbox, token, sender=agents[0])
    personal = sandbox.step("personal_mass", userid=agents[1])["msgid"]
    now = int(sandbox.read("state")["now"])

    def listed(**body):
        span = {"start_time": now - 600, "end_time": now + 600}
        answer = call(sandbox, token, "get_groupmsg_list_v2", chat_type="single", **span, **body)
        return {row["msgid"]: row.get("creator") for row in answer["group_msg_list"]}

    assert listed() == {corp: None, personal: agents[1]}
    assert listed(filter_type=0) == {corp: None}
    assert listed(creator=agents[1]) == {personal: agents[1]}
    assert set(statuses(sandbox, token, personal, agents[1]).values()) == {SENT}


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"text": {"content": "x"}}, 40063),
        ({"sender": "li.ting"}, 44004),
        ({"sender": "nobody", "text": {"content": "x"}}, 60111),
        ({"external_userid": ["wm0"], "text": {"content": "x"}}, 41048),
        ({"sender": "li.ting", "text": {"content": "长" * 1334}}, 45002),
        ({"sender": "li.ting", "text": {"content": "x"}, "chat_type": "crowd"}, 40058),
    ],
)
def test_a_senseless_mass_message_is_refused(sandbox, token, body, errcode):
    assert call(sandbox, token, "add_msg_template", **body)["errcode"] == errcode
    assert sandbox.ledger("externalcontact/add_msg_template") == []
