"""The contract of WeCom's interface as its documentation has it: what is asked, what is answered.

For each endpoint the fields that a request may carry (others are a mistake of the client), and
those that an answer must hold (others missing are a mistake of the sandbox). ``a.b`` is a field
inside a field, ``a[]`` a list whose elements are looked at one by one.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Terms:
    """What one endpoint may be asked and has to answer."""

    asked: frozenset[str]
    answered: tuple[str, ...]


TERMS: dict[str, Terms] = {}
MATCHED = "text attachments"
ATTACHMENT_FREE = "text image link miniprogram file video"
STRATEGY_ASKS = "parent_id strategy_name admin_list privilege range"


def _terms(path: str, asked: str = "", answered: str = "") -> None:
    TERMS[path] = Terms(frozenset(asked.split()), tuple(answered.split()))


def _of_customers(name: str, asked: str = "", answered: str = "") -> None:
    _terms(f"externalcontact/{name}", asked, answered)


_terms("gettoken", "corpid corpsecret", "access_token expires_in")
_terms("getcallbackip", "", "ip_list")
_terms("get_api_domain_ip", "", "ip_list")

_of_customers("get_follow_user_list", "", "follow_user")
_of_customers("list", "userid", "external_userid")
_of_customers(
    "get",
    "external_userid cursor",
    "external_contact.external_userid external_contact.name external_contact.type"
    " external_contact.gender follow_user[].userid follow_user[].remark follow_user[].createtime"
    " follow_user[].tags follow_user[].add_way follow_user[].oper_userid next_cursor",
)
_of_customers(
    "batch/get_by_user",
    "userid_list cursor limit",
    "external_contact_list[].external_contact.external_userid"
    " external_contact_list[].follow_info.userid external_contact_list[].follow_info.tag_id"
    " next_cursor",
)
_of_customers(
    "contact_list",
    "cursor limit",
    "info_list[].is_customer info_list[].follow_userid info_list[].add_time next_cursor",
)
_of_customers("convert_to_openid", "external_userid", "openid")
_of_customers(
    "remark",
    "userid external_userid remark description remark_company remark_mobiles remark_pic_mediaid",
)
for _kind in ("customer_strategy", "moment_strategy"):
    _of_customers(f"{_kind}/list", "cursor limit", "strategy[].strategy_id next_cursor")
    _of_customers(
        f"{_kind}/get",
        "strategy_id",
        "strategy.strategy_id strategy.parent_id strategy.strategy_name strategy.create_time"
        " strategy.admin_list strategy.privilege",
    )
    _of_customers(f"{_kind}/get_range", "strategy_id cursor limit", "range[].type next_cursor")
    _of_customers(f"{_kind}/create", STRATEGY_ASKS, "strategy_id")
    _of_customers(
        f"{_kind}/edit", "strategy_id strategy_name admin_list privilege range_add range_del"
    )
    _of_customers(f"{_kind}/del", "strategy_id")

_TAG_GROUP = (
    "{0}.group_id {0}.group_name {0}.create_time {0}.order"
    " {0}.tag[].id {0}.tag[].name {0}.tag[].create_time {0}.tag[].order"
)
_of_customers("get_corp_tag_list", "tag_id group_id", _TAG_GROUP.format("tag_group[]"))
_of_customers(
    "add_corp_tag", "group_id group_name order tag agentid", _TAG_GROUP.format("tag_group")
)
_of_customers("edit_corp_tag", "id name order agentid")
_of_customers("del_corp_tag", "tag_id group_id agentid")
_of_customers("mark_tag", "userid external_userid add_tag remove_tag")
_of_customers(
    "get_strategy_tag_list",
    "strategy_id tag_id group_id",
    _TAG_GROUP.format("tag_group[]") + " tag_group[].strategy_id",
)
_of_customers(
    "add_strategy_tag",
    "strategy_id group_id group_name order tag",
    _TAG_GROUP.format("tag_group") + " tag_group.strategy_id",
)
_of_customers("edit_strategy_tag", "id name order")
_of_customers("del_strategy_tag", "tag_id group_id")

_WAY = (
    "remark skip_verify state user party expires_in chat_expires_in unionid is_exclusive"
    " mark_source conclusions style"
)
_of_customers("add_contact_way", f"type scene is_temp {_WAY}", "config_id qr_code")
_of_customers(
    "get_contact_way",
    "config_id",
    "contact_way.config_id contact_way.type contact_way.scene contact_way.state contact_way.user"
    " contact_way.skip_verify contact_way.qr_code contact_way.remark",
)
_of_customers(
    "list_contact_way", "start_time end_time cursor limit", "contact_way[].config_id next_cursor"
)
_of_customers("update_contact_way", f"config_id {_WAY}")
_of_customers("del_contact_way", "config_id")
_of_customers("close_temp_chat", "userid external_userid")
_JOIN = "scene remark auto_create_room room_base_name room_base_id chat_id_list state mark_source"
_of_customers("groupchat/add_join_way", _JOIN, "config_id")
_of_customers(
    "groupchat/get_join_way",
    "config_id",
    "join_way.config_id join_way.scene join_way.chat_id_list join_way.state join_way.qr_code"
    " join_way.auto_create_room",
)
_of_customers("groupchat/update_join_way", f"config_id {_JOIN}")
_of_customers("groupchat/del_join_way", "config_id")
_LINK = "link_name range skip_verify priority_option mark_source"
_of_customers("customer_acquisition/list_link", "limit cursor", "link_id_list next_cursor")
_of_customers(
    "customer_acquisition/get",
    "link_id",
    "link.link_name link.url link.create_time link.skip_verify range.user_list"
    " range.department_list",
)
_of_customers(
    "customer_acquisition/create_link",
    _LINK,
    "link.link_id link.link_name link.url link.create_time",
)
_of_customers("customer_acquisition/update_link", f"link_id {_LINK}")
_of_customers("customer_acquisition/delete_link", "link_id")
_of_customers(
    "customer_acquisition/customer",
    "link_id limit cursor",
    "customer_list[].external_userid customer_list[].userid customer_list[].chat_status"
    " customer_list[].state next_cursor",
)
_of_customers(
    "customer_acquisition_quota",
    "",
    "total balance quota_list[].expire_date quota_list[].balance",
)
_of_customers(
    "customer_acquisition/statistic",
    "link_id start_time end_time",
    "click_link_customer_cnt new_customer_cnt",
)
_of_customers(
    "customer_acquisition/get_chat_info",
    "chat_key",
    "userid external_userid chat_info.recv_msg_cnt chat_info.link_id chat_info.state",
)

_of_customers("send_welcome_msg", f"welcome_code {MATCHED}")
_of_customers("group_welcome_template/add", f"{ATTACHMENT_FREE} agentid notify", "template_id")
_of_customers("group_welcome_template/get", "template_id", "text.content link.title link.url")
_of_customers("group_welcome_template/edit", f"template_id agentid {ATTACHMENT_FREE}")
_of_customers("group_welcome_template/del", "template_id agentid")

_of_customers(
    "add_msg_template",
    f"chat_type external_userid chat_id_list tag_filter sender allow_select {MATCHED}",
    "fail_list msgid",
)
_of_customers(
    "get_groupmsg_list_v2",
    "chat_type start_time end_time creator filter_type limit cursor",
    "group_msg_list[].msgid group_msg_list[].create_time group_msg_list[].create_type"
    " group_msg_list[].attachments next_cursor",
)
_of_customers(
    "get_groupmsg_task",
    "msgid limit cursor",
    "task_list[].userid task_list[].status next_cursor",
)
_of_customers(
    "get_groupmsg_send_result",
    "msgid userid limit cursor",
    "send_list[].external_userid send_list[].userid send_list[].status next_cursor",
)
_of_customers("remind_groupmsg_send", "msgid")
_of_customers("cancel_groupmsg_send", "msgid")

_of_customers("add_moment_task", f"{MATCHED} visible_range", "jobid")
_of_customers(
    "get_moment_task_result",
    "jobid",
    "status type result.errcode result.errmsg result.moment_id"
    " result.invalid_sender_list.user_list result.invalid_external_contact_list.tag_list",
)
_of_customers(
    "get_moment_list",
    "start_time end_time creator filter_type cursor limit",
    "moment_list[].moment_id moment_list[].create_time moment_list[].create_type"
    " moment_list[].visible_type next_cursor",
)
_of_customers(
    "get_moment_task",
    "moment_id cursor limit",
    "task_list[].userid task_list[].publish_status next_cursor",
)
_of_customers(
    "get_moment_customer_list",
    "moment_id userid cursor limit",
    "customer_list[].userid customer_list[].external_userid next_cursor",
)
_of_customers(
    "get_moment_send_result",
    "moment_id userid cursor limit",
    "customer_list[].external_userid next_cursor",
)
_of_customers("get_moment_comments", "moment_id userid", "comment_list like_list")
_of_customers("cancel_moment_task", "moment_id")

_of_customers(
    "groupchat/list",
    "status_filter owner_filter cursor limit",
    "group_chat_list[].chat_id group_chat_list[].status next_cursor",
)
_of_customers(
    "groupchat/get",
    "chat_id need_name",
    "group_chat.chat_id group_chat.name group_chat.owner group_chat.create_time group_chat.notice"
    " group_chat.member_list[].userid group_chat.member_list[].type"
    " group_chat.member_list[].join_time group_chat.member_list[].join_scene"
    " group_chat.member_list[].name group_chat.admin_list group_chat.member_version",
)
_GROUP_DATA = " ".join(
    f"items[].data.{name}"
    for name in (
        *("new_chat_cnt", "chat_total", "chat_has_msg", "new_member_cnt", "member_total"),
        *("member_has_msg", "msg_total"),
    )
)
_of_customers(
    "groupchat/statistic",
    "day_begin_time day_end_time owner_filter order_by order_asc offset limit",
    f"total next_offset items[].owner {_GROUP_DATA}",
)
_of_customers(
    "groupchat/statistic_group_by_day",
    "day_begin_time day_end_time owner_filter",
    f"items[].stat_time {_GROUP_DATA}",
)
_of_customers("opengid_to_chatid", "opengid", "chat_id")
for _path in ("groupchat/onjob_transfer", "groupchat/transfer"):
    _of_customers(_path, "chat_id_list new_owner", "failed_chat_list")

_of_customers(
    "get_unassigned_list",
    "page_id page_size cursor",
    "info[].handover_userid info[].external_userid info[].dimission_time is_last next_cursor",
)
_PAIR = "handover_userid takeover_userid"
for _prefix, _more in (("", " transfer_success_msg"), ("resigned/", "")):
    _of_customers(
        f"{_prefix}transfer_customer",
        f"{_PAIR} external_userid{_more}",
        "customer[].external_userid customer[].errcode",
    )
    _of_customers(
        f"{_prefix}transfer_result",
        f"{_PAIR} cursor",
        "customer[].external_userid customer[].status next_cursor",
    )

_of_customers(
    "get_user_behavior_data",
    "userid partyid start_time end_time",
    "behavior_data[].stat_time behavior_data[].new_apply_cnt behavior_data[].new_contact_cnt"
    " behavior_data[].chat_cnt behavior_data[].message_cnt behavior_data[].negative_feedback_cnt",
)

_of_customers(
    "add_intercept_rule",
    "rule_name word_list semantics_list intercept_type applicable_range",
    "rule_id",
)
_of_customers(
    "get_intercept_rule_list",
    "",
    "rule_list[].rule_id rule_list[].rule_name rule_list[].create_time",
)
_of_customers(
    "get_intercept_rule",
    "rule_id",
    "rule.rule_id rule.rule_name rule.word_list rule.extra_rule.semantics_list"
    " rule.intercept_type rule.applicable_range.user_list rule.applicable_range.department_list",
)
_of_customers(
    "update_intercept_rule",
    "rule_id rule_name word_list extra_rule intercept_type add_applicable_range"
    " remove_applicable_range",
)
_of_customers("del_intercept_rule", "rule_id")

_PRODUCT = "description price product_sn attachments"
_of_customers("add_product_album", _PRODUCT, "product_id")
_of_customers(
    "get_product_album",
    "product_id",
    "product.description product.price product.attachments[].type",
)
_of_customers("get_product_album_list", "limit cursor", "product_list[].product_id next_cursor")
_of_customers("update_product_album", f"product_id {_PRODUCT}")
_of_customers("delete_product_album", "product_id")

_terms("media/upload", "type", "type media_id created_at")
_terms("media/uploadimg", "", "url")
_terms("media/upload_attachment", "media_type attachment_type", "type media_id created_at")
_terms("media/get", "media_id")
_terms("media/upload_by_url", "scene type filename url md5", "jobid")
_terms("media/get_upload_by_url_result", "jobid", "status detail.media_id detail.created_at")

_terms(
    "department/list",
    "id",
    "department[].id department[].name department[].parentid department[].order",
)
_terms(
    "department/simplelist",
    "id",
    "department_id[].id department_id[].parentid department_id[].order",
)
_terms("department/get", "id", "department.id department.name department.parentid")
_MEMBER = "{0}userid {0}name {0}department {0}status {0}main_department {0}is_leader_in_dept"
_terms("user/get", "userid", _MEMBER.format(""))
_terms(
    "user/simplelist",
    "department_id",
    "userlist[].userid userlist[].name userlist[].department",
)
_terms("user/list", "department_id", _MEMBER.format("userlist[]."))
_terms("user/list_id", "cursor limit", "dept_user[].userid dept_user[].department next_cursor")
_terms("auth/getuserinfo", "code", "userid user_ticket")
_terms("auth/getuserdetail", "user_ticket", "userid gender mobile")
_terms("get_jsapi_ticket", "", "ticket expires_in")
_terms("ticket/get", "type", "ticket expires_in")

_terms(
    "message/send",
    "touser toparty totag msgtype agentid safe enable_id_trans enable_duplicate_check"
    " duplicate_check_interval text image voice video file textcard news mpnews markdown"
    " miniprogram_notice template_card",
    "invaliduser invalidparty invalidtag msgid",
)
_terms("message/recall", "msgid")
_terms(
    "message/update_template_card",
    "userids partyids tagids atall agentid response_code button template_card",
)

_terms("msgaudit/get_permit_user_list", "type", "ids")
_terms(
    "msgaudit/check_single_agree",
    "info",
    "agreeinfo[].status_change_time agreeinfo[].userid agreeinfo[].exteranalopenid"
    " agreeinfo[].agree_status",
)
_terms(
    "msgaudit/check_room_agree",
    "roomid",
    "agreeinfo[].status_change_time agreeinfo[].exteranalopenid agreeinfo[].agree_status",
)
_terms(
    "msgaudit/groupchat/get",
    "roomid",
    "roomname creator room_create_time notice members[].memberid members[].jointime",
)
_terms("msgaudit/get_robot_info", "robot_id", "data.robot_id data.name data.creator_userid")


def missing(answer: Any, path: str) -> bool:
    """Whether a field is absent; a list that is looked into must not be empty."""
    name, _, rest = path.partition(".")
    key = name.removesuffix("[]")
    if not isinstance(answer, dict) or key not in answer:
        return True
    inner = answer[key]
    if not name.endswith("[]"):
        return bool(rest) and missing(inner, rest)
    if not isinstance(inner, list) or not inner:
        return True
    return bool(rest) and any(missing(item, rest) for item in inner)
