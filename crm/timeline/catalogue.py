"""The built-in kinds of facts: code, number on disk, label, meaning, and who emits them."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

FIRST_COMPANY_KIND = 1000


@dataclass(frozen=True)
class Kind:
    """One declared kind. ``id`` is stored in facts and in column files and never reused."""

    id: int
    code: str
    label: str | Promise
    meaning: str | Promise
    emitter: str


KINDS = (
    Kind(1, "friend_added", _("加微"), _("客户与员工成为好友"), "wecom"),
    Kind(2, "friend_deleted_by_customer", _("客户删除员工"), _("客户删除了员工"), "wecom"),
    Kind(3, "friend_deleted_by_agent", _("员工删除客户"), _("员工删除了客户"), "wecom"),
    Kind(4, "friend_transferred", _("好友移交"), _("好友关系因继承移交给他人"), "wecom"),
    Kind(5, "group_joined", _("入群"), _("客户加入客户群"), "wecom"),
    Kind(6, "group_left", _("退群"), _("客户离开客户群"), "wecom"),
    Kind(7, "message_received", _("客户发言"), _("客户给员工发来消息"), "wecom"),
    Kind(8, "message_sent", _("员工回复"), _("员工给客户发出消息"), "import"),
    Kind(9, "retained", _("留存"), _("加微满 7 天仍是好友"), "derived"),
    Kind(10, "active", _("活跃"), _("7 天内有两天主动发言"), "derived"),
    Kind(11, "order_paid", _("转化"), _("订单付款"), "order"),
    Kind(12, "order_refunded", _("退款"), _("订单退款"), "order"),
    Kind(13, "order_cancelled", _("取消订单"), _("订单在付款前取消"), "order"),
    Kind(14, "repeat_order", _("复购"), _("非首笔的付款订单"), "order"),
    Kind(15, "moment_visible", _("朋友圈可见"), _("朋友圈对客户可见"), "wecom"),
    Kind(16, "moment_liked", _("朋友圈点赞"), _("客户点赞朋友圈"), "wecom"),
    Kind(17, "moment_commented", _("朋友圈评论"), _("客户评论朋友圈"), "wecom"),
    Kind(18, "tag_added", _("打标签"), _("客户被打上标签"), "wecom"),
    Kind(19, "tag_removed", _("去标签"), _("客户被取下标签"), "wecom"),
    Kind(20, "route_viewed", _("浏览线路"), _("客户查看旅游线路"), "import"),
    Kind(21, "member_began", _("成为会员"), _("会员卡开始生效"), "member"),
    Kind(22, "member_ended", _("会员到期"), _("会员卡过了最后一天"), "member"),
    Kind(31, "article_opened", _("打开图文"), _("为客户做的图文链接被打开"), "article"),
    Kind(32, "article_read", _("读过图文"), _("为客户做的图文链接被读过"), "article"),
    Kind(33, "article_clicked", _("点图文按钮"), _("为客户做的图文链接里按了按钮"), "article"),
)

STANDARD_JOURNEY = (
    "friend_added",
    "group_joined",
    "retained",
    "active",
    "order_paid",
    "repeat_order",
)
