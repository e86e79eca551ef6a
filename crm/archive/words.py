"""Words for the kinds of messages, for people who read them."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

_KINDS = {
    "text": gettext_lazy("文字"),
    "image": gettext_lazy("图片"),
    "revoke": gettext_lazy("撤回"),
    "agree": gettext_lazy("同意存档"),
    "disagree": gettext_lazy("拒绝存档"),
    "voice": gettext_lazy("语音"),
    "video": gettext_lazy("视频"),
    "card": gettext_lazy("名片"),
    "location": gettext_lazy("位置"),
    "emotion": gettext_lazy("表情"),
    "file": gettext_lazy("文件"),
    "link": gettext_lazy("链接"),
    "weapp": gettext_lazy("小程序"),
    "chatrecord": gettext_lazy("聊天记录"),
    "todo": gettext_lazy("待办"),
    "vote": gettext_lazy("投票"),
    "collect": gettext_lazy("填表"),
    "redpacket": gettext_lazy("红包"),
    "external_redpacket": gettext_lazy("互通红包"),
    "meeting": gettext_lazy("会议邀请"),
    "meeting_notification": gettext_lazy("会议通知"),
    "docmsg": gettext_lazy("在线文档"),
    "markdown": "Markdown",
    "news": gettext_lazy("图文"),
    "calendar": gettext_lazy("日程"),
    "mixed": gettext_lazy("混合消息"),
    "meeting_voice_call": gettext_lazy("音频存档"),
    "voip_doc_share": gettext_lazy("音频共享文档"),
    "voiptext": gettext_lazy("通话"),
    "qydiskfile": gettext_lazy("微盘文件"),
    "sphfeed": gettext_lazy("视频号"),
    "switch": pgettext_lazy("archive", "切换企业"),
}


def kind_words(kind: str) -> str:
    """What kind of message it is; a kind that nobody knows is named as it came."""
    known = _KINDS.get(kind)
    return str(known) if known else _("其他类型（%(kind)s）") % {"kind": kind or "?"}


def is_known(kind: str) -> bool:
    """Whether we read the words of this kind."""
    return kind in _KINDS
