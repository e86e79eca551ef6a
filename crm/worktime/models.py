"""Shifts, and days that are not what their weekday says."""

from datetime import date

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent, Department
from crm.shared.models import TimeStamped

WEEKDAYS = (_("周一"), _("周二"), _("周三"), _("周四"), _("周五"), _("周六"), _("周日"))


class Shift(TimeStamped):
    """班次: from when to when on which weekdays, for an agent, a department, or everybody."""

    name = models.CharField(_("名称"), max_length=64)
    agent = models.ForeignKey(
        Agent, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("员工")
    )
    department = models.ForeignKey(
        Department, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("部门")
    )
    weekdays = ArrayField(
        models.SmallIntegerField(),
        verbose_name=_("星期"),
        help_text=_("0 是周一，6 是周日，用逗号隔开"),
    )
    starts = models.TimeField(_("上班"))
    ends = models.TimeField(_("下班"), help_text=_("不晚于上班时间的，算到第二天"))
    valid_from = models.DateField(_("生效日"), default=date(2020, 1, 1))
    valid_to = models.DateField(_("失效日"), null=True, blank=True, help_text=_("含这一天"))
    ignores_calendar = models.BooleanField(
        _("不随节假日"), default=False, help_text=_("节假日照常上班，调休日不加班")
    )

    class Meta:
        verbose_name = _("班次")
        verbose_name_plural = _("班次")
        constraints = [
            models.CheckConstraint(
                condition=Q(agent__isnull=True) | Q(department__isnull=True),
                name="shift_of_agent_or_department",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what would be no shift."""
        wrong = {}
        if not self.weekdays or not set(self.weekdays) <= set(range(7)):
            wrong["weekdays"] = _("请填 0 到 6，例如 0,1,2,3,4 是周一到周五")
        if self.valid_to and self.valid_from and self.valid_to < self.valid_from:
            wrong["valid_to"] = _("失效日早于生效日")
        if self.agent_id and self.department_id:
            wrong["department"] = _("员工和部门只能填一个；都不填就是全公司")
        if wrong:
            raise ValidationError(wrong)


class CalendarDay(TimeStamped):
    """日历: a day that works like another weekday, or not at all; goes before the shipped file."""

    day = models.DateField(_("日期"), unique=True)
    works_as = models.SmallIntegerField(
        _("按哪天上班"),
        null=True,
        blank=True,
        choices=list(enumerate(WEEKDAYS)),
        help_text=_("不填就是放假"),
    )
    name = models.CharField(_("名称"), max_length=64, blank=True)

    class Meta:
        ordering = ["-day"]
        verbose_name = _("日历")
        verbose_name_plural = _("日历")

    def __str__(self) -> str:
        return f"{self.day} {self.name}"
