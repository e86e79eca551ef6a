"""Channels, customers, contacts and tags."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import ExtractDay, ExtractMonth
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.access import Permission, Role
from crm.agents.models import Agent, User
from crm.shared.models import ScopedManager, TimeStamped
from crm.shared.text import query_terms, search_terms, sort_key


class Channel(TimeStamped):
    """渠道: how a friend came, named by the ``state`` of the live code or link."""

    code = models.CharField(_("代码"), max_length=64, unique=True)
    name = models.CharField(_("名称"), max_length=64)
    moment = models.CharField(_("有效时机"), max_length=64, blank=True)
    is_active = models.BooleanField(_("启用"), default=True)

    class Meta:
        ordering = ["code"]
        verbose_name = _("渠道")
        verbose_name_plural = _("渠道")

    def __str__(self) -> str:
        return self.name


class TagGroup(TimeStamped):
    """企业标签组."""

    wecom_id = models.CharField(_("企业微信编号"), max_length=64, unique=True)
    name = models.CharField(_("名称"), max_length=64)
    order = models.BigIntegerField(_("次序"), default=0)
    is_deleted = models.BooleanField(_("已删除"), default=False)
    synced_at = models.DateTimeField(_("同步时间"), null=True, blank=True)

    class Meta:
        ordering = ["-order", "name"]
        verbose_name = _("标签组")
        verbose_name_plural = _("标签组")

    def __str__(self) -> str:
        return self.name


class Tag(TimeStamped):
    """企业标签. A tag deleted at WeCom stays as a row, switched off: history names it."""

    wecom_id = models.CharField(_("企业微信编号"), max_length=64, unique=True)
    group = models.ForeignKey(
        TagGroup, models.PROTECT, related_name="tags", verbose_name=_("标签组")
    )
    name = models.CharField(_("名称"), max_length=64)
    order = models.BigIntegerField(_("次序"), default=0)
    is_deleted = models.BooleanField(_("已删除"), default=False)

    class Meta:
        ordering = ["group", "-order", "name"]
        verbose_name = _("企业标签")
        verbose_name_plural = _("企业标签")

    def __str__(self) -> str:
        return self.name


class CustomerQuerySet(models.QuerySet):
    def friends(self) -> "CustomerQuerySet":
        return self.filter(is_friend=True)

    def visible_to(self, user) -> "CustomerQuerySet":
        """Own customers for an agent, the team's or departments' for lead and manager."""
        if not user.is_authenticated or not user.is_active or user.role == Role.ADMIN:
            return self.none()
        if user.role in (Role.OPERATOR, Role.REVIEWER, Role.SERVICE) or (
            user.role in (Role.LEAD, Role.MANAGER) and user.oversees_everything
        ):
            return self.all()
        contacts = Contact.unsafe_all.filter(
            customer_id=OuterRef("pk"), agent__in=Agent.objects.for_user(user)
        )
        return self.filter(Exists(contacts))

    def named_like(self, query: str) -> "CustomerQuerySet":
        """Customers whose name, pinyin, initials or numbers hold what was typed."""
        terms = query_terms(query)
        if not terms:
            return self
        return self.filter(Q(search__contains=terms) | Q(customer_no=query.strip()))


class Customer(TimeStamped):
    """客户: a person, friend on WeCom or not. All but identity is derived and can be rebuilt."""

    class Stage(models.TextChoices):
        ACQUAINTANCE = "acquaintance", _("相识")
        FAMILIARITY = "familiarity", _("相知")
        WARMTH = "warmth", _("保温")
        FATIGUE = "fatigue", _("倦怠")
        WIN_BACK = "win_back", _("挽回")

    class Gender(models.IntegerChoices):
        UNKNOWN = 0, _("未知")
        MALE = 1, _("男")
        FEMALE = 2, _("女")

    external_userid = models.CharField(
        _("外部联系人编号"), max_length=64, null=True, blank=True, unique=True
    )
    customer_no = models.CharField(_("客户编号"), max_length=64, null=True, blank=True, unique=True)
    unionid = models.CharField(_("unionid"), max_length=64, null=True, blank=True, unique=True)
    name = models.CharField(_("昵称"), max_length=128)
    name_sort = models.CharField(max_length=128, default="", editable=False)
    search = ArrayField(models.TextField(), default=list, editable=False)
    avatar = models.CharField(_("头像"), max_length=512, blank=True)
    gender = models.SmallIntegerField(_("性别"), choices=Gender.choices, default=Gender.UNKNOWN)
    phone = models.CharField(_("手机号"), max_length=32, blank=True)
    city = models.CharField(_("城市"), max_length=64, blank=True)
    birthday = models.DateField(_("生日"), null=True, blank=True)
    channel = models.ForeignKey(
        Channel, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("来源渠道")
    )
    stage = models.CharField(
        _("生命周期"), max_length=16, choices=Stage.choices, default=Stage.ACQUAINTANCE
    )
    stage_since = models.DateTimeField(_("进入阶段时间"), null=True, blank=True)
    is_friend = models.BooleanField(_("是好友"), default=False)
    friend_since = models.DateTimeField(_("首次加微"), null=True, blank=True)
    tag_ids = ArrayField(models.IntegerField(), default=list, editable=False)
    group_count = models.IntegerField(_("所在群数"), default=0)
    order_count = models.IntegerField(_("付款订单数"), default=0)
    paid_cents = models.BigIntegerField(_("累计付款（分）"), default=0)
    last_paid_at = models.DateTimeField(_("最近付款"), null=True, blank=True)
    last_message_at = models.DateTimeField(_("最近发言"), null=True, blank=True)
    last_fact_at = models.DateTimeField(_("最近动态"), null=True, blank=True)
    origin = models.CharField(_("建档来源"), max_length=32, default="wecom")
    known_since = models.DateTimeField(_("建档时间"), null=True, blank=True)
    synced_at = models.DateTimeField(_("同步时间"), null=True, blank=True)

    unsafe_all = CustomerQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("客户")
        verbose_name_plural = _("客户")
        indexes = [
            GinIndex(fields=["search"], name="customer_search"),
            GinIndex(fields=["tag_ids"], name="customer_tags"),
            models.Index(
                F("friend_since").desc(nulls_last=True), F("id").desc(), name="customer_newest"
            ),
            models.Index(
                F("last_fact_at").desc(nulls_last=True), F("id").desc(), name="customer_recent"
            ),
            models.Index(F("paid_cents").desc(), F("id").desc(), name="customer_paid"),
            models.Index(fields=["name_sort", "id"], name="customer_name"),
            models.Index(fields=["channel", "-id"], name="customer_channel"),
            models.Index(
                ExtractMonth("birthday"),
                ExtractDay("birthday"),
                name="customer_birthday",
                condition=Q(birthday__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args, **kwargs) -> None:
        self.refresh_search()
        super().save(*args, **kwargs)

    def refresh_search(self) -> None:
        """Recompute what name search and name order read; bulk writers call it themselves."""
        self.name_sort = sort_key(self.name)
        self.search = search_terms(self.name)


class ErasedNumber(models.Model):
    """已删除者: a keyed digest of whom WeCom called what, so that old words bring nobody back."""

    digest = models.CharField(max_length=64, unique=True)
    erased_at = models.DateTimeField(_("删除时间"), db_index=True)

    class Meta:
        verbose_name = _("已删除者")
        verbose_name_plural = _("已删除者")

    def __str__(self) -> str:
        return self.digest[:8]


class AttributeChangeQuerySet(models.QuerySet):
    def visible_to(self, user) -> "AttributeChangeQuerySet":
        """Changes of customers that the user may see."""
        return self.filter(customer__in=Customer.objects.for_user(user))


class AttributeChange(models.Model):
    """资料变更: what one thing said of a customer was and became; triggers write it.

    A value without a change has stood since its customer was opened, by whoever opened them.
    """

    class Source(models.TextChoices):
        WECOM = "wecom", pgettext_lazy("origin", "企业微信")
        IMPORT = "import", pgettext_lazy("origin", "文件导入")
        API = "api", pgettext_lazy("origin", "接口")
        PERSON = "person", pgettext_lazy("origin", "手工填写")
        MERGE = "merge", pgettext_lazy("origin", "合并客户")

    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="attribute_changes", db_index=False
    )
    attribute = models.CharField(_("项目"), max_length=40)
    before = models.TextField(_("原值"), blank=True)
    value = models.TextField(_("新值"), blank=True)
    source = models.CharField(_("来源"), max_length=8, choices=Source.choices)
    said_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(_("时间"))

    unsafe_all = AttributeChangeQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("资料变更")
        verbose_name_plural = _("资料变更")
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["customer", "-at"], name="changes_of_customer")]

    def __str__(self) -> str:
        return f"{self.customer_id}.{self.attribute}"


class SavedViewQuerySet(models.QuerySet):
    def visible_to(self, user) -> "SavedViewQuerySet":
        """One's own and those that colleagues share; a view holds a question, no customers."""
        if not user.is_authenticated or not user.can(Permission.CUSTOMER_VIEW):
            return self.none()
        return self.filter(Q(owner=user) | Q(is_shared=True, owner__is_active=True))

    def owned_by(self, user) -> "SavedViewQuerySet":
        """Who saved a view may change it or drop it."""
        return self.visible_to(user).filter(owner=user)


class SavedView(TimeStamped):
    """视图: conditions, order and columns of the customer list under a name."""

    name = models.CharField(_("名称"), max_length=32)
    owner = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("建立人"))
    is_shared = models.BooleanField(_("共享给同事"), default=False)
    query = models.TextField(_("网址参数"), blank=True)

    unsafe_all = SavedViewQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["is_shared", "name", "pk"]
        verbose_name = _("视图")
        verbose_name_plural = _("视图")
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_once_per_owner")
        ]

    def __str__(self) -> str:
        return self.name


class ContactQuerySet(models.QuerySet):
    def current(self) -> "ContactQuerySet":
        return self.filter(status=Contact.Status.ACTIVE)

    def visible_to(self, user) -> "ContactQuerySet":
        """All relations of customers that the user may see: whom else they know is part of them."""
        return self.filter(customer__in=Customer.objects.for_user(user))


class Contact(TimeStamped):
    """好友关系: one customer and one agent, as it is now. Its past is in the facts."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("好友")
        DELETED_BY_CUSTOMER = "deleted_by_customer", _("被客户删除")
        DELETED_BY_AGENT = "deleted_by_agent", _("被员工删除")
        TRANSFERRED = "transferred", _("已移交")

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="contacts", verbose_name=_("客户")
    )
    agent = models.ForeignKey(
        Agent, models.PROTECT, related_name="contacts", verbose_name=_("员工")
    )
    status = models.CharField(
        _("状态"), max_length=24, choices=Status.choices, default=Status.ACTIVE
    )
    added_at = models.DateTimeField(_("加微时间"))
    ended_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    add_way = models.SmallIntegerField(_("添加方式"), default=0)
    state = models.CharField(_("渠道参数"), max_length=64, blank=True)
    channel = models.ForeignKey(
        Channel, models.PROTECT, null=True, blank=True, related_name="contacts"
    )
    remark = models.CharField(_("备注"), max_length=128, blank=True)
    description = models.CharField(_("描述"), max_length=512, blank=True)
    tags = models.ManyToManyField(Tag, related_name="contacts", blank=True, verbose_name=_("标签"))
    synced_at = models.DateTimeField(_("同步时间"), null=True, blank=True)

    unsafe_all = ContactQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("好友关系")
        verbose_name_plural = _("好友关系")
        constraints = [
            models.UniqueConstraint(fields=["customer", "agent"], name="one_contact_per_pair"),
            models.CheckConstraint(
                condition=Q(status="active", ended_at__isnull=True)
                | (~Q(status="active") & Q(ended_at__isnull=False)),
                name="ended_contacts_have_an_end",
            ),
        ]
        indexes = [models.Index(fields=["agent", "status", "-added_at"], name="contact_of_agent")]

    def __str__(self) -> str:
        return f"{self.customer_id}–{self.agent_id}"


class IdentityConflictQuerySet(models.QuerySet):
    def open(self) -> "IdentityConflictQuerySet":
        return self.filter(state=IdentityConflict.State.OPEN)

    def visible_to(self, user) -> "IdentityConflictQuerySet":
        """Those of which the user may see at least one side."""
        seen = Customer.objects.for_user(user)
        return self.filter(Q(customer__in=seen) | Q(other__in=seen))


class IdentityConflict(models.Model):
    """身份冲突: two pieces of evidence about who is who; a person says what is true."""

    class Kind(models.TextChoices):
        UNIONID_TAKEN = "unionid_taken", _("unionid 属于另一位客户")
        UNIONID_CHANGED = "unionid_changed", _("unionid 与已有的不同")
        NUMBER_TAKEN = "number_taken", _("客户编号属于另一位客户")
        PHONE_SAME = "phone_same", _("两位客户的手机号相同")

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("identity", "待判断")
        MERGED = "merged", pgettext_lazy("identity", "已合并")
        APART = "apart", pgettext_lazy("identity", "不是同一人")

    kind = models.CharField(_("种类"), max_length=24, choices=Kind.choices)
    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="identity_conflicts", verbose_name=_("客户")
    )
    other = models.ForeignKey(
        Customer,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("另一位客户"),
    )
    evidence = models.CharField(_("证据"), max_length=64)
    first_seen_at = models.DateTimeField(_("首次发现"))
    last_seen_at = models.DateTimeField(_("最近发现"))
    state = models.CharField(_("状态"), max_length=8, choices=State.choices, default=State.OPEN)
    resolved_at = models.DateTimeField(_("判断时间"), null=True, blank=True)
    resolved_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("判断人")
    )
    reason = models.CharField(_("依据"), max_length=255, blank=True)

    unsafe_all = IdentityConflictQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["-last_seen_at"]
        verbose_name = _("身份冲突")
        verbose_name_plural = _("身份冲突")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "customer", "evidence"], name="one_row_per_conflict"
            )
        ]
        indexes = [models.Index(fields=["state", "-last_seen_at"], name="conflict_state")]

    def __str__(self) -> str:
        return f"{self.kind} #{self.customer_id}"
