"""Groups and memberships."""

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Role
from crm.agents.models import Agent
from crm.customers.models import Customer
from crm.shared.models import ScopedManager, TimeStamped
from crm.shared.text import sort_key


class GroupQuerySet(models.QuerySet):
    def current(self) -> "GroupQuerySet":
        return self.filter(dismissed_at__isnull=True)

    def visible_to(self, user) -> "GroupQuerySet":
        """Groups that an agent owns or sits in; the team's or departments' for lead and manager."""
        if not user.is_authenticated or not user.is_active or user.role == Role.ADMIN:
            return self.none()
        if user.role in (Role.OPERATOR, Role.REVIEWER, Role.SERVICE) or (
            user.role in (Role.LEAD, Role.MANAGER) and user.oversees_everything
        ):
            return self.all()
        agents = Agent.objects.for_user(user)
        stays = Membership.unsafe_all.filter(
            group_id=OuterRef("pk"), agent__in=agents, left_at__isnull=True
        )
        return self.filter(Q(owner__in=agents) | Exists(stays))


class Group(TimeStamped):
    """客户群: a WeCom group with customers in it."""

    chat_id = models.CharField(_("群编号"), max_length=64, unique=True)
    name = models.CharField(_("群名"), max_length=128, blank=True)
    name_sort = models.CharField(max_length=128, default="", editable=False)
    owner = models.ForeignKey(
        Agent, models.PROTECT, null=True, related_name="owned_groups", verbose_name=_("群主")
    )
    opened_at = models.DateTimeField(_("建群时间"))
    dismissed_at = models.DateTimeField(_("解散时间"), null=True, blank=True)
    notice = models.TextField(_("群公告"), blank=True)
    member_version = models.CharField(max_length=64, blank=True)
    customer_count = models.IntegerField(_("客户数"), default=0)
    agent_count = models.IntegerField(_("员工数"), default=0)
    synced_at = models.DateTimeField(_("同步时间"), null=True, blank=True)

    unsafe_all = GroupQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["name_sort", "pk"]
        verbose_name = _("客户群")
        verbose_name_plural = _("客户群")

    def __str__(self) -> str:
        return self.name or self.chat_id

    def save(self, *args, **kwargs) -> None:
        self.name_sort = sort_key(self.name)
        super().save(*args, **kwargs)


class MembershipQuerySet(models.QuerySet):
    def current(self) -> "MembershipQuerySet":
        return self.filter(left_at__isnull=True)

    def visible_to(self, user) -> "MembershipQuerySet":
        """Stays in groups that the user may see."""
        return self.filter(group__in=Group.objects.for_user(user))


class Membership(TimeStamped):
    """群成员: one stay of one person in one group."""

    group = models.ForeignKey(
        Group, models.PROTECT, related_name="memberships", verbose_name=_("客户群")
    )
    userid = models.CharField(_("成员编号"), max_length=64)
    customer = models.ForeignKey(
        Customer, models.PROTECT, null=True, related_name="memberships", verbose_name=_("客户")
    )
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, related_name="memberships", verbose_name=_("员工")
    )
    nickname = models.CharField(_("群昵称"), max_length=128, blank=True)
    joined_at = models.DateTimeField(_("入群时间"))
    join_scene = models.SmallIntegerField(_("入群方式"), default=0)
    state = models.CharField(_("渠道参数"), max_length=64, blank=True)
    invited_by = models.CharField(_("邀请人"), max_length=64, blank=True)
    left_at = models.DateTimeField(_("退群时间"), null=True, blank=True)
    quit_scene = models.SmallIntegerField(_("退群方式"), null=True, blank=True)

    unsafe_all = MembershipQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("群成员")
        verbose_name_plural = _("群成员")
        constraints = [
            models.UniqueConstraint(
                fields=["group", "userid"],
                condition=Q(left_at__isnull=True),
                name="one_current_stay",
            ),
            models.UniqueConstraint(
                fields=["group", "userid", "joined_at"], name="a_stay_begins_once"
            ),
        ]
        indexes = [
            models.Index(fields=["group", "joined_at"], name="stay_joined"),
            models.Index(fields=["invited_by"], name="stay_invited", condition=~Q(invited_by="")),
            models.Index(
                fields=["group", "left_at"],
                name="stay_left",
                condition=Q(left_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.userid}@{self.group_id}"
