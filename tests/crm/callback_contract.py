"""The events that WeCom documents, with the promised fields and an act that makes each happen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Act = Callable[[Any], object]
PAIR = ("UserID", "ExternalUserID")
CONTACT, CHAT, TAG = "change_external_contact", "change_external_chat", "change_external_tag"
DIRECTORY, LINK = "change_contact", "customer_acquisition"


@dataclass(frozen=True)
class Told:
    """One documented event; ``act`` makes the sandbox tell it."""

    event: str
    change_type: str
    fields: tuple[str, ...]
    act: Act
    where: tuple[str, str] | None = None  # A field that tells several of one type apart.

    def __str__(self) -> str:
        parts = (self.event, self.change_type, self.where[1] if self.where else "")
        return "-".join(part for part in parts if part)


def step(kind: str, **given: Any) -> Act:
    return lambda sandbox: sandbox.step(kind, **given)


def _group(sandbox) -> str:
    return sandbox.read("world")["groups"][0]["chat_id"]


def of_group(kind: str) -> Act:
    return lambda sandbox: sandbox.step(kind, chat_id=_group(sandbox))


def _refused_transfer(sandbox) -> None:
    [pair, *_] = [row for row in sandbox.read("world")["relations"] if not row["lost_by"]]
    taker = next(
        row["userid"]
        for row in sandbox.read("world")["relations"]
        if row["userid"] != pair["userid"]
    )
    sandbox.post(
        "externalcontact/transfer_customer",
        sandbox.access_token(),
        handover_userid=pair["userid"],
        takeover_userid=taker,
        external_userid=[pair["external_userid"]],
    )
    sandbox.step("refuse_transfer", external_userid=pair["external_userid"])


def _link(sandbox, **more: Any) -> str:
    answer = sandbox.post(
        "externalcontact/customer_acquisition/create_link",
        sandbox.access_token(),
        link_name="夏日",
        range={"user_list": [_agent(sandbox)]},
        **more,
    )
    return answer["link"]["link_id"]


def _agent(sandbox) -> str:
    return sandbox.read("world")["relations"][0]["userid"]


def of_link(kind: str, *, skip_verify: bool = True, **given: Any) -> Act:
    def act(sandbox) -> None:
        link_id = _link(sandbox, skip_verify=skip_verify)
        sandbox.step(kind, link_id=link_id, **given)

    return act


def _chats(count: int) -> Act:
    def act(sandbox) -> None:
        told = sandbox.step("click_link", link_id=_link(sandbox, skip_verify=True), state="douyin")
        pair = {"userid": told["UserID"], "external_userid": told["ExternalUserID"]}
        sandbox.step("chat", count=count, **pair)

    return act


def _quota_ends_soon(sandbox) -> None:
    sandbox.step("quota_buy", quota=50, days=3)
    sandbox.control("clock", advance=60)


def as_directory(kind: str, of_agent: bool = False, **given: Any) -> Act:
    def act(sandbox) -> None:
        sandbox.control("settings", contacts_sync=1)
        people = {"userid": _agent(sandbox)} if of_agent else {}
        sandbox.step(kind, **people, **given)

    return act


def _department(kind: str, **given: Any) -> Act:
    def act(sandbox) -> None:
        made = sandbox.step("department_create", name="筹备组")
        sandbox.control("settings", contacts_sync=1)
        sandbox.step(kind, department=made["Id"], **given)

    return act


def _upload_by_url(sandbox) -> None:
    token = sandbox.access_token()
    sandbox.post(
        "media/upload_by_url",
        token,
        scene=1,
        type="file",
        filename="a.png",
        url=f"{sandbox.url}/_sandbox/state",
        md5="0" * 32,
    )


def _app(event: str, *fields: str, key: str = "") -> Told:
    return Told(event, "", ("FromUserName", *fields), step("app_event", event=event, key=key))


def _update(detail: str, act: Act, *fields: str) -> Told:
    where = ("UpdateDetail", detail)
    return Told(CHAT, "update", ("ChatId", "UpdateDetail", *fields), act, where)


VERSIONS = ("MemChangeCnt", "LastMemVer", "CurMemVer")
EVENTS = [
    Told(CONTACT, "add_external_contact", (*PAIR, "State", "WelcomeCode"), step("add", state="x")),
    Told(CONTACT, "add_half_external_contact", (*PAIR, "WelcomeCode"), step("add_half")),
    Told(CONTACT, "edit_external_contact", PAIR, step("edit", remark="新备注")),
    Told(CONTACT, "del_external_contact", PAIR, step("delete_by_agent")),
    Told(CONTACT, "del_follow_user", PAIR, step("delete_by_customer")),
    Told(CONTACT, "transfer_fail", (*PAIR, "FailReason"), _refused_transfer),
    Told(CONTACT, "msg_audit_approved", (*PAIR, "WelcomeCode"), step("agree")),
    Told(CHAT, "create", ("ChatId",), step("group_create")),
    _update("add_member", of_group("group_join"), "JoinScene", *VERSIONS),
    _update("del_member", step("group_leave"), "QuitScene", *VERSIONS),
    _update("change_owner", of_group("group_owner")),
    _update("change_name", of_group("group_rename")),
    _update("change_notice", of_group("group_notice")),
    Told(CHAT, "dismiss", ("ChatId",), step("group_dismiss")),
    Told(TAG, "create", ("Id", "TagType"), step("tag_create")),
    Told(TAG, "update", ("Id", "TagType"), step("tag_update")),
    Told(TAG, "delete", ("Id", "TagType"), step("tag_delete")),
    Told(TAG, "shuffle", ("Id",), step("tag_shuffle")),
    Told(DIRECTORY, "create_user", ("UserID", "Department"), as_directory("member_join")),
    Told(DIRECTORY, "update_user", ("UserID",), as_directory("member_move", of_agent=True)),
    Told(DIRECTORY, "delete_user", ("UserID",), as_directory("member_leave", of_agent=True)),
    Told(DIRECTORY, "create_party", ("Id", "Name", "ParentId"), as_directory("department_create")),
    Told(DIRECTORY, "update_party", ("Id",), _department("department_rename", name="出境组")),
    Told(DIRECTORY, "delete_party", ("Id",), _department("department_delete")),
    Told(DIRECTORY, "update_tag", ("TagId", "AddUserItems"), as_directory("directory_tag")),
    Told("msgaudit_notify", "", ("AgentID",), step("archive_fill", messages=1)),
    Told(LINK, "balance_low", (), step("quota_use", quota=985)),
    Told(LINK, "balance_exhausted", (), step("quota_use", quota=1000)),
    Told(LINK, "balance_increased", (), step("quota_buy")),
    Told(LINK, "quota_expire_soon", ("ExpireTime", "ExpireQuotaNum"), _quota_ends_soon),
    Told(LINK, "link_unavailable", ("LinkId",), of_link("link_fail")),
    Told(LINK, "delete_link", ("LinkId",), of_link("link_delete")),
    Told(LINK, "open_profile", ("LinkId",), of_link("click_link", profile=True, add=False)),
    Told(LINK, "friend_request", ("LinkId",), of_link("click_link", skip_verify=False)),
    Told(LINK, "customer_start_chat", (*PAIR, "LinkId", "State"), _chats(1)),
    Told(LINK, "message_from_customer", ("LinkId", "State", "ChatKey"), _chats(3)),
    Told(LINK, "del_follow_user", PAIR, step("delete_by_customer", by_link=True)),
    _app("enter_agent", "AgentID"),
    _app("subscribe", "AgentID"),
    _app("unsubscribe", "AgentID"),
    _app("click", "AgentID", "EventKey", key="menu-1"),
    _app("view", "AgentID", "EventKey", key="https://example.com"),
    _app("scancode_push", "EventKey", key="menu-2"),
    _app("scancode_waitmsg", "EventKey", key="menu-2"),
    _app("location_select", "EventKey", key="menu-3"),
    Told(
        "template_card_event",
        "",
        ("EventKey", "TaskId", "CardType", "ResponseCode", "AgentID", "SelectedItems"),
        step("card_click"),
    ),
    Told("upload_media_job_finish", "", ("JobId",), _upload_by_url),
    Told("batch_job_result", "", ("BatchJob",), step("batch_job")),
]
