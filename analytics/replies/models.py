"""First replies of agents, counted for the ranges that pages show."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class AgentReplies(models.Model):
    """首次回复: of one agent over so many days until ``last_on``, as of ``counted_at``."""

    agent_id = models.BigIntegerField(_("员工"))
    days = models.SmallIntegerField(_("天数"))
    last_on = models.DateField(_("最后一天"))
    turns = models.IntegerField(_("客户来话"))
    answered = models.IntegerField(_("已回复"))
    median_wait = models.FloatField(_("中位等待（秒）"), null=True)
    p90_wait = models.FloatField(_("90% 等待（秒）"), null=True)
    counted_at = models.DateTimeField(_("统计时间"))

    class Meta:
        verbose_name = _("首次回复")
        verbose_name_plural = _("首次回复")
        constraints = [
            models.UniqueConstraint(fields=["agent_id", "days"], name="replies_of_agent_once")
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.days}"
