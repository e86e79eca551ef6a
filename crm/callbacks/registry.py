"""Every event that WeCom documents: who handles it, or why there is nothing to do.

``None`` as change type stands for all of an event. What stands in neither table is an event that
WeCom has invented since: it is kept, and told as unknown.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.callbacks import handlers, handlers_company
from crm.callbacks.handlers import Handler
from crm.callbacks.receiving import Message
from crm.customers.models import Contact

Ended = Contact.Status
UNKNOWN = "unknown_event"

HANDLERS: dict[tuple[str, str], Handler] = {
    ("change_external_contact", "add_external_contact"): handlers.on_contact_added,
    ("change_external_contact", "add_half_external_contact"): handlers.on_contact_seen,
    ("change_external_contact", "edit_external_contact"): handlers.on_contact_seen,
    ("change_external_contact", "del_external_contact"): handlers.on_contact_ended(
        Ended.DELETED_BY_AGENT
    ),
    ("change_external_contact", "del_follow_user"): handlers.on_contact_ended(
        Ended.DELETED_BY_CUSTOMER
    ),
    ("change_external_contact", "transfer_fail"): handlers_company.on_transfer_failed,
    ("change_external_contact", "msg_audit_approved"): handlers_company.on_archive_approved,
    ("change_external_chat", "create"): handlers.on_group_changed,
    ("change_external_chat", "update"): handlers.on_group_changed,
    ("change_external_chat", "dismiss"): handlers.on_group_dismissed,
    ("change_external_tag", "create"): handlers.on_tags_changed,
    ("change_external_tag", "update"): handlers.on_tags_changed,
    ("change_external_tag", "delete"): handlers.on_tags_changed,
    ("change_external_tag", "shuffle"): handlers.on_tags_changed,
    ("change_contact", "create_user"): handlers_company.on_member_changed,
    ("change_contact", "update_user"): handlers_company.on_member_changed,
    ("change_contact", "delete_user"): handlers_company.on_member_changed,
    ("change_contact", "create_party"): handlers_company.on_departments_changed,
    ("change_contact", "update_party"): handlers_company.on_departments_changed,
    ("change_contact", "delete_party"): handlers_company.on_departments_changed,
    ("customer_acquisition", "customer_start_chat"): handlers.on_chat_started,
    ("customer_acquisition", "message_from_customer"): handlers_company.on_link_messages,
    ("customer_acquisition", "del_follow_user"): handlers_company.on_link_friend_lost,
}

_NOTICE = _("只是通知：显示在同步页，不改变数据")
_NAMES_NOBODY = _("不说明是哪位客户；人数由获客链接统计给出")
_APP_MENU = _("应用没有菜单，员工打开应用不改变数据")

NOTHING_TO_DO: dict[tuple[str, str | None], str | Promise] = {
    ("change_contact", "update_tag"): _("通讯录里的成员标签不在这里使用"),
    # The bell: whoever receives it rings for a pull, which also happens every 15 s.
    ("msgaudit_notify", None): _("收到时已通知会话存档拉取，内容不在回调里"),
    ("customer_acquisition", "balance_low"): _NOTICE,
    ("customer_acquisition", "balance_exhausted"): _NOTICE,
    ("customer_acquisition", "balance_increased"): _NOTICE,
    ("customer_acquisition", "quota_expire_soon"): _NOTICE,
    ("customer_acquisition", "link_unavailable"): _NOTICE,
    ("customer_acquisition", "delete_link"): _NOTICE,
    ("customer_acquisition", "open_profile"): _NAMES_NOBODY,
    ("customer_acquisition", "friend_request"): _NAMES_NOBODY,
    ("enter_agent", None): _APP_MENU,
    ("subscribe", None): _APP_MENU,
    ("unsubscribe", None): _APP_MENU,
    ("click", None): _APP_MENU,
    ("view", None): _APP_MENU,
    ("view_miniprogram", None): _APP_MENU,
    ("scancode_push", None): _APP_MENU,
    ("scancode_waitmsg", None): _APP_MENU,
    ("pic_sysphoto", None): _APP_MENU,
    ("pic_photo_or_album", None): _APP_MENU,
    ("pic_weixin", None): _APP_MENU,
    ("location_select", None): _APP_MENU,
    ("template_card_event", None): _("发出的卡片没有按钮，没有答案可收"),
    ("upload_media_job_finish", None): _("素材上传由上传的一方自己查询结果"),
    ("batch_job_result", None): _("没有提交过通讯录批量任务"),
}


def handler_of(message: Message) -> Handler | None:
    """The handler of an event; None for events that change nothing we keep."""
    return HANDLERS.get((message.event, message.change_type))


def why_nothing(event: str, change_type: str) -> str | Promise | None:
    """Why an event has no handler; None where it has one, or where nobody has heard of it."""
    declared = NOTHING_TO_DO.get((event, change_type))
    return declared if declared is not None else NOTHING_TO_DO.get((event, None))


def is_known(event: str, change_type: str) -> bool:
    """Whether the event stands in one of the tables."""
    return (event, change_type) in HANDLERS or why_nothing(event, change_type) is not None
