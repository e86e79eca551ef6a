"""Departments, agents (员工), logins, API tokens and the audit trail."""

from collections.abc import Iterable

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Permission, Role, has_permission
from crm.shared.models import ScopedManager, TimeStamped
from crm.shared.text import sort_key


class Department(TimeStamped):
    """部门: a node of WeCom's directory; teams are its leaves. ``path`` is /root/…/self/ in ids."""

    wecom_id = models.BigIntegerField(_("企业微信部门号"), unique=True)
    name = models.CharField(_("名称"), max_length=128)
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=_("上级"),
    )
    path = models.CharField(_("路径"), max_length=255, default="/", db_index=True)
    order = models.BigIntegerField(_("次序"), default=0)
    is_active = models.BooleanField(_("有效"), default=True)

    class Meta:
        ordering = ["path"]
        verbose_name = _("部门")
        verbose_name_plural = _("部门")

    def __str__(self) -> str:
        return self.name


class AgentQuerySet(models.QuerySet):
    def active(self) -> "AgentQuerySet":
        return self.exclude(status=Agent.Status.LEFT)

    def within(self, departments) -> "AgentQuerySet":
        """Agents of the given departments and of everything below them."""
        return self.below(departments.values_list("path", flat=True))

    def below(self, paths: Iterable[str]) -> "AgentQuerySet":
        """Agents of the departments at these paths and of everything below them."""
        paths = list(paths)
        if not paths:
            return self.none()
        below = Q()
        for path in paths:
            below |= Q(department__path__startswith=path)
        return self.filter(below)

    def visible_to(self, user) -> "AgentQuerySet":
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.role == Role.AGENT:
            return self.filter(pk=user.agent_id) if user.agent_id else self.none()
        if user.role in (Role.LEAD, Role.MANAGER):
            return self.all() if user.oversees_everything else self.below(user.overseen_paths)
        return self.all()


class Agent(TimeStamped):
    """员工: a WeCom member who serves customers."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("在职")
        DISABLED = "disabled", _("停用")
        NOT_ACTIVATED = "not_activated", _("未激活")
        LEFT = "left", _("已离职")

    userid = models.CharField(_("企业微信账号"), max_length=64, unique=True)
    name = models.CharField(_("姓名"), max_length=64)
    name_sort = models.CharField(max_length=128, default="", editable=False)
    department = models.ForeignKey(
        Department, models.PROTECT, null=True, related_name="agents", verbose_name=_("部门")
    )
    position = models.CharField(_("职务"), max_length=64, blank=True)
    is_leader = models.BooleanField(_("部门负责人"), default=False)
    status = models.CharField(
        _("状态"), max_length=16, choices=Status.choices, default=Status.ACTIVE
    )
    left_at = models.DateTimeField(_("离职时间"), null=True, blank=True)
    synced_at = models.DateTimeField(_("同步时间"), null=True, blank=True)

    unsafe_all = AgentQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["name_sort", "pk"]
        verbose_name = _("员工")
        verbose_name_plural = _("员工")

    def __str__(self) -> str:
        return self.name

    def save(self, *args, **kwargs) -> None:
        self.name_sort = sort_key(self.name)
        super().save(*args, **kwargs)


class User(AbstractUser):
    """登录账号: role says what it may do, departments say whose rows a lead or manager sees."""

    class Language(models.TextChoices):
        CHINESE = "zh-hans", "简体中文"
        ENGLISH = "en", "English"

    class Theme(models.TextChoices):
        SYSTEM = "system", _("跟随系统")
        LIGHT = "light", _("浅色")
        DARK = "dark", _("深色")

    role = models.CharField(_("角色"), max_length=16, choices=Role.choices, default=Role.AGENT)
    agent = models.OneToOneField(
        Agent, models.SET_NULL, null=True, blank=True, related_name="user", verbose_name=_("员工")
    )
    departments = models.ManyToManyField(
        Department, blank=True, related_name="overseers", verbose_name=_("管辖部门")
    )
    language = models.CharField(
        _("语言"), max_length=8, choices=Language.choices, default=Language.CHINESE
    )
    theme = models.CharField(_("主题"), max_length=8, choices=Theme.choices, default=Theme.SYSTEM)
    red_means_rise = models.BooleanField(_("红涨绿跌"), default=False)
    single_keys = models.BooleanField(_("单键快捷键"), default=True)

    # `createsuperuser` asks for these: rights come from the role, Django's own flags open nothing.
    REQUIRED_FIELDS = ("role",)

    class Meta:
        verbose_name = _("登录账号")
        verbose_name_plural = _("登录账号")

    def can(self, permission: Permission) -> bool:
        """Whether the role holds the permission."""
        return has_permission(self, permission)

    @property
    def oversees_everything(self) -> bool:
        """A lead or manager of the root department sees the whole company, non-friends included."""
        if not hasattr(self, "_oversees_everything"):
            self._oversees_everything = self.departments.filter(parent__isnull=True).exists()
        return self._oversees_everything

    @property
    def overseen_paths(self) -> list[str]:
        """Paths of the departments that it oversees, read once for this object."""
        if not hasattr(self, "_overseen_paths"):
            self._overseen_paths = list(self.departments.values_list("path", flat=True))
        return self._overseen_paths

    def get_full_name(self) -> str:
        return self.agent.name if self.agent else (super().get_full_name() or self.username)


class ApiToken(TimeStamped):
    """接口令牌: only its hash is kept; acts as its user, within the named permissions."""

    user = models.ForeignKey(User, models.CASCADE, related_name="tokens", verbose_name=_("账号"))
    name = models.CharField(_("名称"), max_length=64)
    prefix = models.CharField(_("前缀"), max_length=12, unique=True)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    permissions = ArrayField(models.CharField(max_length=32), default=list, verbose_name=_("权限"))
    expires_at = models.DateTimeField(_("到期"))
    revoked_at = models.DateTimeField(_("吊销时间"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("最近使用"), null=True, blank=True)

    class Meta:
        verbose_name = _("接口令牌")
        verbose_name_plural = _("接口令牌")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEntry(models.Model):
    """审计: who did or saw what, and why. Appended only; a trigger refuses change and deletion."""

    at = models.DateTimeField(_("时间"), db_index=True)
    actor = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("操作人")
    )
    actor_name = models.CharField(_("操作人"), max_length=150)
    action = models.CharField(_("动作"), max_length=64)
    object_type = models.CharField(_("对象"), max_length=64, blank=True)
    object_id = models.CharField(_("编号"), max_length=64, blank=True)
    reason = models.CharField(_("原因"), max_length=255, blank=True)
    details = models.JSONField(_("细节"), default=dict)

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["object_type", "object_id"])]
        verbose_name = _("审计记录")
        verbose_name_plural = _("审计记录")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_name} {self.action}"
