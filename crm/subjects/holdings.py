"""Which tables hold people, what for, how long, and what erasing one of them means there.

Rows are erased in the order of this list. A new table must stand here or in ``WITHOUT_PEOPLE``.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from django.apps import apps
from django.db.models import Model, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.customers.forgetting import KEPT

Words = str | Promise


class Erase(Enum):
    """What happens to rows of a person who is erased."""

    DELETE = _("删除")
    UNTIE = _("去掉姓名和编号，只留计数")
    NAMELESS = _("把其中的编号换掉")
    FOLLOWS = _("随客户一起消失")
    KEEP = _("依法保留，不含个人信息")


@dataclass(frozen=True)
class Holding:
    """One table. ``customer`` is the column of the person, empty where numbers stand in texts.

    ``blank`` are columns that are emptied when a row is untied, ``texts`` JSON columns in which a
    number may stand. ``days`` after ``since`` a row goes by itself; None: see ``kept``.
    """

    model: str
    purpose: Words
    kept: Words
    erase: Erase
    customer: str = "customer"
    blank: dict[str, Any] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    days: int | None = None
    since: str = ""

    @property
    def table(self) -> type[Model]:
        """The model."""
        return apps.get_model(self.model)

    def rows(self) -> QuerySet:
        """All rows, whoever asks: for what this room does in the name of the person."""
        return self.table._base_manager.all()

    def rows_of(self, customer_id: int) -> QuerySet:
        """Rows of one person; none where the table has no column for it."""
        if not self.customer:
            return self.rows().none()
        return self.rows().filter(**{self.customer: customer_id})


_SERVICE = _("服务客户")
_DELIVERY = _("发送不重不漏")
_FIGURES = _("统计")
_TECHNICAL = _("收发消息的技术记录")
_EVIDENCE = _("服务留痕")
_AS_ARCHIVED = _("按会话存档期限")
_WHILE_CUSTOMER = _("客户关系存续期间")
_WITH_CUSTOMER = _("与客户资料同时")

HOLDINGS: tuple[Holding, ...] = (
    Holding("crm.FollowUp", _SERVICE, _("结束后 730 天"), Erase.DELETE, days=730, since="ended_at"),
    Holding("crm.FieldValue", _SERVICE, _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.BenefitUse", _SERVICE, _WHILE_CUSTOMER, Erase.DELETE, "card__customer"),
    Holding("crm.MemberCard", _SERVICE, _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.CustomerPersona", _SERVICE, _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.CustomerRisk", _SERVICE, _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.AttributeChange", _SERVICE, _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.OptOut", _("不再打扰"), _WHILE_CUSTOMER, Erase.DELETE),
    Holding(
        "crm.ReplayStop",
        _("试算规则"),
        _("365 天"),
        Erase.DELETE,
        days=365,
        since="replay__made_at",
    ),
    Holding("crm.TouchSlot", _DELIVERY, _("400 天"), Erase.DELETE, days=400, since="taken_at"),
    Holding("crm.SendSlot", _DELIVERY, _("400 天"), Erase.DELETE, days=400, since="taken_at"),
    Holding("crm.MomentReaction", _FIGURES, _("730 天"), Erase.DELETE, days=730, since="at"),
    Holding("crm.MomentAudience", _FIGURES, _("730 天"), Erase.DELETE, days=730, since="seen_at"),
    Holding("crm.Assignment", _("证明效果的抽签"), _WHILE_CUSTOMER, Erase.DELETE),
    Holding(
        "crm.ArticleClick",
        _FIGURES,
        _("730 天"),
        Erase.DELETE,
        "view__link__customer",
        days=730,
        since="at",
    ),
    Holding(
        "crm.ArticleView",
        _FIGURES,
        _("730 天"),
        Erase.DELETE,
        "link__customer",
        days=730,
        since="opened_at",
    ),
    Holding("crm.ArticleLink", _SERVICE, _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.AudienceMember", _("确定发送对象"), _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.MassRecipient", _DELIVERY, _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.Transfer", _("员工交接"), _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.Repair", _("与企业微信对账"), _("90 天"), Erase.DELETE),
    Holding("crm.ArchiveReading", _("查阅留痕"), _("依法保留三年"), Erase.UNTIE),
    Holding("crm.ArchiveConsent", _("会话存档的同意"), _WHILE_CUSTOMER, Erase.DELETE),
    Holding(
        "crm.ArchivedMedia", _("服务留痕"), _("按会话存档期限"), Erase.DELETE, "message__customer"
    ),
    Holding("crm.ArchivedMessage", _("服务留痕"), _("按会话存档期限"), Erase.DELETE),
    Holding("crm.IdentityConflict", _("辨认同一人"), _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.IdentityConflict", _("辨认同一人"), _WHILE_CUSTOMER, Erase.DELETE, "other"),
    Holding("crm.TagChange", _("撤销批量标签"), _WITH_CUSTOMER, Erase.DELETE, "contact__customer"),
    Holding("crm.TagEdit", _("同步标签"), _WITH_CUSTOMER, Erase.DELETE, "contact__customer"),
    Holding("crm.Fact", _("还原经过和统计"), _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.Order", _("履行订单"), _WHILE_CUSTOMER, Erase.DELETE),
    Holding("crm.Talk", _SERVICE, _WITH_CUSTOMER, Erase.DELETE),
    Holding("crm.Contact", _SERVICE, _WHILE_CUSTOMER, Erase.DELETE),
    Holding(
        "crm.Membership",
        _("客户群服务"),
        _WHILE_CUSTOMER,
        Erase.UNTIE,
        blank={"nickname": "", "state": "", "invited_by": ""},
    ),
    Holding("crm.SubjectRequest", _("办理本人请求"), _("依法保留三年"), Erase.UNTIE),
    Holding("crm.Customer", _SERVICE, _WHILE_CUSTOMER, Erase.DELETE, "pk"),
    Holding("analytics.JourneyState", _FIGURES, _WITH_CUSTOMER, Erase.FOLLOWS),
    Holding("analytics.PoolMove", _FIGURES, _WITH_CUSTOMER, Erase.FOLLOWS),
    Holding("analytics.CustomerPast", _FIGURES, _WITH_CUSTOMER, Erase.FOLLOWS, "row_id"),
    Holding("analytics.ContactPast", _FIGURES, _WITH_CUSTOMER, Erase.FOLLOWS, "customer_id"),
    Holding("analytics.MembershipPast", _FIGURES, _WITH_CUSTOMER, Erase.FOLLOWS, "customer_id"),
    Holding("analytics.OrderPast", _FIGURES, _WITH_CUSTOMER, Erase.FOLLOWS, "customer_id"),
    # No column of the person: a number of theirs may stand in the text.
    Holding("crm.InboxEvent", _TECHNICAL, _("30 天"), Erase.DELETE, ""),
    Holding("crm.WelcomeSent", _TECHNICAL, _WHILE_CUSTOMER, Erase.DELETE, ""),
    Holding("crm.KeptAnswer", _TECHNICAL, _("24 小时"), Erase.DELETE, ""),
    Holding("crm.StagedPage", _TECHNICAL, _("一次同步"), Erase.NAMELESS, "", texts=("items",)),
    Holding(
        "crm.OutboxItem",
        _DELIVERY,
        _("按发送队列期限"),
        Erase.NAMELESS,
        "",
        texts=("payload", "evidence", "result"),
    ),
    Holding("crm.TouchDecision", _DELIVERY, _("400 天"), Erase.NAMELESS, "", texts=("details",)),
    Holding("crm.Job", _TECHNICAL, _("按作业期限"), Erase.NAMELESS, "", texts=("params", "result")),
    Holding("crm.FileImport", _("导入数据"), _("文件 24 小时，样例随作业"), Erase.NAMELESS, ""),
    Holding(
        "crm.ErasedNumber",
        _("已删除者不再回来"),
        _("30 天，只留不可还原的摘要"),
        Erase.KEEP,
        "",
        days=KEPT.days,
        since="erased_at",
    ),
    Holding("crm.AuditEntry", _("谁做了什么"), _("依法保留三年"), Erase.KEEP, ""),
)

_NAMES = """
crm.Department crm.Agent crm.User crm.SavedView crm.ApiToken crm.Channel crm.TagGroup crm.Tag
crm.Welcome crm.Trial crm.TrialArm
crm.Group crm.ArchiveProgress crm.Audience crm.Route crm.Dataset crm.DatasetUnit
crm.DatasetKind crm.DatasetFact crm.Field crm.PlatformQuota crm.QuietHours crm.QuotaSlot
crm.TouchRule crm.Handover crm.GroupTransfer crm.ImportMapping crm.Moment crm.MomentImage
crm.MomentTask crm.ListedMoment crm.FactKind crm.FactRemoval crm.ReceiveCap crm.AgentSend
crm.Replay crm.MassSend crm.MassBatch crm.AgentDay crm.OwnerDay crm.Reconcile crm.SyncRun
crm.TagBatch crm.AudienceTag crm.Shift crm.CalendarDay crm.Face crm.FaceAgent
crm.PostSlot crm.SlotDate
crm.Material crm.MaterialVersion crm.MaterialUse crm.SensitiveWord crm.ShortLink crm.LinkClick
crm.FactRule crm.MaterialPicture crm.ArticleBlock
crm.ReviewCost crm.ReviewLesson
crm.PersonaPlan crm.PersonaCuts crm.RiskModel crm.MemberTier crm.MemberBenefit crm.SceneRule
analytics.AgentReplies analytics.SavedQuestion analytics.RfmRule analytics.PastSince
analytics.Segment
analytics.SegmentVersion analytics.SegmentIndex analytics.SegmentWord analytics.SegmentBits
analytics.SegmentDay analytics.SegmentDirty analytics.StandingRule analytics.ChannelDay
analytics.AgentEntryDay analytics.AgentDay analytics.AgentWeek analytics.AgentFriends
analytics.PoolDay analytics.StandingProof
"""
WITHOUT_PEOPLE = frozenset(_NAMES.split())


def of_people() -> list[Holding]:
    """Tables whose rows belong to a person, each once."""
    return [holding for holding in HOLDINGS if holding.customer]
