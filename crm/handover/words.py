"""Reason codes of transfers in the words of whoever reads."""

from django.utils.translation import gettext_lazy as _

from crm.wecom.errors import words_for

_WORDS = {
    "open_elsewhere": _("正在另一次移交中"),
    "too_often": _("90 天内已移交两次"),
    "not_of_face": _("不是要移交给这个人设的客户"),
    "no_room": _("接替员工的客户数将达上限"),
    "gone": _("已不是原员工的好友"),
    "group_gone": _("已不是原群主的群"),
    "taker_away": _("接替员工已离职或停用"),
    "stopped": _("发起前已停止"),
    "not_begun": _("企业微信没有发起这次移交"),
    "no_record": _("企业微信没有这次移交的记录"),
    "abandoned": _("有人确认没有发生"),
    "customer_refused": _("客户在 24 小时内拒绝"),
    "receiver_full": _("接替员工的客户数已达上限"),
}


def reason_words(code: str) -> str:
    """A stored reason as a sentence; WeCom's numbers get their meaning."""
    if code in _WORDS:
        return str(_WORDS[code])
    return words_for(code) if code else ""
