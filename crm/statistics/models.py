"""One row a day of an agent's talking, and of the groups that somebody owns."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent
from crm.shared.models import ScopedManager


class DayQuerySet(models.QuerySet):
    def visible_to(self, user) -> "DayQuerySet":
        """Days of the agents within the user's scope."""
        return self.filter(agent__in=Agent.objects.for_user(user))

    def settled(self) -> "DayQuerySet":
        """Days that WeCom had counted when it was asked."""
        return self.filter(is_settled=True)


class Day(models.Model):
    """What both kinds of days have in common; ``day_on`` is a day of the corporation."""

    agent = models.ForeignKey(
        Agent, models.PROTECT, related_name="+", db_index=False, verbose_name=_("员工")
    )
    day_on = models.DateField(_("日期"))
    is_settled = models.BooleanField(_("已生成"))
    asked_at = models.DateTimeField(_("查询时间"))

    unsafe_all = DayQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        abstract = True
        ordering = ["-day_on", "agent_id"]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.day_on}"


class AgentDay(Day):
    """员工日统计: one agent's single chats of one day, as WeCom counts them; groups do not count.

    ``reply_percentage`` and ``first_reply_minutes`` are empty where no customer opened a chat, or
    none was answered. Their mean over days or agents is wrong: WeCom tells no denominators.
    """

    requests_sent = models.IntegerField(_("发起申请"))
    contacts_added = models.IntegerField(_("新增客户"))
    chats = models.IntegerField(_("聊天数"))
    messages = models.IntegerField(_("发送消息"))
    reply_percentage = models.FloatField(_("已回复占比"), null=True)
    first_reply_minutes = models.FloatField(_("首次回复分钟"), null=True)
    lost = models.IntegerField(_("删除或拉黑"))

    class Meta(Day.Meta):
        verbose_name = _("员工日统计")
        verbose_name_plural = _("员工日统计")
        constraints = [
            models.UniqueConstraint(fields=["agent", "day_on"], name="one_row_of_agent_and_day")
        ]


class OwnerDay(Day):
    """群主日统计: the groups of one owner (``agent``) on one day, as WeCom counts them."""

    groups_opened = models.IntegerField(_("新增群"))
    groups = models.IntegerField(_("群总数"))
    groups_active = models.IntegerField(_("有消息的群"))
    people_joined = models.IntegerField(_("新增成员"))
    people = models.IntegerField(_("成员总数"))
    people_active = models.IntegerField(_("发言人数"))
    messages = models.IntegerField(_("消息数"))

    class Meta(Day.Meta):
        verbose_name = _("群主日统计")
        verbose_name_plural = _("群主日统计")
        constraints = [
            models.UniqueConstraint(fields=["agent", "day_on"], name="one_row_of_owner_and_day")
        ]
