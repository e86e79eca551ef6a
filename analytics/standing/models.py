"""State per customer, cubes of days, and the record of the nightly proof.

Everything here is written by the triggers of the first migration and can be rebuilt from facts.
Columns that name rows elsewhere carry no constraint: they would cost more than the fold itself,
and facts, which do carry them, are deleted after what is derived from them.
"""

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from crm.customers.models import Customer
from crm.shared.models import ScopedManager


class StandingRule(models.Model):
    """常备数字的口径: one row, which the triggers read."""

    zone = models.CharField(_("时区"), max_length=64)
    window_seconds = models.IntegerField(_("转化窗口（秒）"))

    class Meta:
        verbose_name = _("常备数字的口径")
        verbose_name_plural = _("常备数字的口径")

    def __str__(self) -> str:
        return f"{self.zone} {self.window_seconds}"


class OfCustomers(models.QuerySet):
    """Rows that belong to one customer each."""

    def visible_to(self, user) -> "OfCustomers":
        """Rows of customers that the user may see."""
        customers = Customer.objects.for_user(user)
        if not customers.query.where:
            return self.all()
        return self.filter(Exists(customers.filter(pk=OuterRef("customer_id"))))


class JourneyState(models.Model):
    """旅程状态: how far one customer came in the standard journey, and from which entry.

    ``level`` and the chosen entry are those of the funnel question of the standard journey with a
    window of 30 days. ``last_at`` is the customer's latest fact of the journey: what is newer folds
    forward, what is older folds the customer again. ``*_told``: the entry itself named it.
    """

    customer = models.OneToOneField(
        Customer, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="+"
    )
    entry_at = models.DateTimeField(_("入口时间"))
    last_entry_at = models.DateTimeField(_("最近入口时间"))
    last_at = models.DateTimeField(_("最近旅程事实"))
    entry_on = models.DateField(_("入口日期"))
    last_entry_on = models.DateField(_("最近入口日期"))
    entries = models.IntegerField(_("入口数"))
    level = models.SmallIntegerField(_("到达步骤"))
    agent_id = models.BigIntegerField(_("员工"), null=True)
    channel_id = models.BigIntegerField(_("渠道"), null=True)
    agent_told = models.BooleanField()
    channel_told = models.BooleanField()

    unsafe_all = OfCustomers.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("旅程状态")
        verbose_name_plural = _("旅程状态")
        indexes = [
            models.Index(fields=["channel_id", "entry_on"], name="journey_channel_day"),
            models.Index(fields=["agent_id", "entry_on"], name="journey_agent_day"),
            models.Index(fields=["last_entry_on"], name="journey_last_entry"),
        ]

    def __str__(self) -> str:
        return f"#{self.customer_id} {self.level}"


class Cube(models.Model):
    """Rows of one cell add up; ``is_merged`` rows hold what was added up so far."""

    on_day = models.DateField(_("日期"))
    is_merged = models.BooleanField(default=False)

    class Meta:
        abstract = True


class JourneyCube(Cube):
    """How many customers stand at each level of the journey."""

    n1 = models.IntegerField(default=0)
    n2 = models.IntegerField(default=0)
    n3 = models.IntegerField(default=0)
    n4 = models.IntegerField(default=0)
    n5 = models.IntegerField(default=0)
    n6 = models.IntegerField(default=0)

    class Meta:
        abstract = True


class ChannelDay(JourneyCube):
    """旅程按渠道: customers by day of the chosen entry, day of the last entry, and channel."""

    last_on = models.DateField(_("最近入口日期"))
    channel_id = models.BigIntegerField(_("渠道"))

    class Meta:
        verbose_name = _("旅程按渠道")
        verbose_name_plural = _("旅程按渠道")
        indexes = [models.Index(fields=["on_day", "channel_id"], name="channel_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["on_day", "last_on", "channel_id"],
                condition=Q(is_merged=True),
                name="channel_day_merged_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.on_day} {self.channel_id}"


class AgentEntryDay(JourneyCube):
    """旅程按员工: customers by day of the chosen entry, day of the last entry, and agent."""

    last_on = models.DateField(_("最近入口日期"))
    agent_id = models.BigIntegerField(_("员工"))

    class Meta:
        verbose_name = _("旅程按员工")
        verbose_name_plural = _("旅程按员工")
        indexes = [models.Index(fields=["on_day", "agent_id"], name="agent_entry_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["on_day", "last_on", "agent_id"],
                condition=Q(is_merged=True),
                name="agent_entry_day_merged_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.on_day} {self.agent_id}"


class AgentCounts(Cube):
    """What facts count of agents."""

    agent_id = models.BigIntegerField(_("员工"))
    added = models.IntegerField(_("加微"), default=0)
    lost = models.IntegerField(_("客户删除员工"), default=0)
    dropped = models.IntegerField(_("员工删除客户"), default=0)
    received = models.IntegerField(_("客户消息"), default=0)
    sent = models.IntegerField(_("员工消息"), default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.on_day} {self.agent_id}"


class AgentDay(AgentCounts):
    """员工每日: facts that name an agent, by local day."""

    class Meta:
        verbose_name = _("员工每日")
        verbose_name_plural = _("员工每日")
        indexes = [
            models.Index(
                fields=["agent_id", "on_day"], condition=Q(is_merged=True), name="agent_day"
            ),
            models.Index(
                fields=["agent_id", "on_day"], condition=Q(is_merged=False), name="agent_day_new"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["on_day", "agent_id"],
                condition=Q(is_merged=True),
                name="agent_day_merged_once",
            )
        ]


class AgentWeek(AgentCounts):
    """员工每周: the merged days of each week, by its Monday; ninety days are then few rows."""

    class Meta:
        verbose_name = _("员工每周")
        verbose_name_plural = _("员工每周")
        indexes = [models.Index(fields=["agent_id", "on_day"], name="agent_week")]
        constraints = [
            models.UniqueConstraint(
                fields=["on_day", "agent_id"],
                condition=Q(is_merged=True),
                name="agent_week_merged_once",
            )
        ]


class AgentFriends(models.Model):
    """员工好友数: current contacts of each agent; rows of an agent add up."""

    agent_id = models.BigIntegerField(_("员工"), db_index=True)
    n = models.IntegerField(_("好友"), default=0)
    is_merged = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("员工好友数")
        verbose_name_plural = _("员工好友数")
        constraints = [
            models.UniqueConstraint(
                fields=["agent_id"],
                condition=Q(is_merged=True),
                name="agent_friends_merged_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.n:+}"


class Pool(models.IntegerChoices):
    """池: whom a company can reach."""

    FRIENDS = 1, _("好友池")
    GROUPS = 2, _("群池")


class Link(models.IntegerChoices):
    """What happened to one relation, or to one membership."""

    ADDED = 1, _("加微")
    DELETED_BY_CUSTOMER = 2, _("客户删除员工")
    DELETED_BY_AGENT = 3, _("员工删除客户")
    TRANSFERRED = 4, _("好友移交")
    JOINED = 5, _("入群")
    LEFT = 6, _("自己退群")
    REMOVED = 7, _("被移出群")
    DISMISSED = 8, _("群已解散")


class Person(models.IntegerChoices):
    """What it meant for the person: the first relation brings in, the last one takes out."""

    STAYED = 0, _("仍在池中")
    FIRST = 1, _("首次进入")
    BACK = 2, _("重新进入")
    HANDED_OVER = 3, _("移交后接上")
    OUT = 9, _("离开")


class PoolMove(models.Model):
    """进出: how often a customer came or went on a day, by what happened and what it meant."""

    customer = models.ForeignKey(
        Customer, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    on_day = models.DateField(_("日期"))
    pool = models.SmallIntegerField(_("池"), choices=Pool.choices)
    link = models.SmallIntegerField(_("关系"), choices=Link.choices)
    person = models.SmallIntegerField(_("人"), choices=Person.choices)
    n = models.IntegerField(_("次数"))

    unsafe_all = OfCustomers.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("进出")
        verbose_name_plural = _("进出")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "on_day", "pool", "link", "person"], name="pool_move_once"
            )
        ]
        indexes = [models.Index(fields=["pool", "on_day", "person"], name="pool_move_day")]

    def __str__(self) -> str:
        return f"#{self.customer_id} {self.on_day} {self.link}/{self.person}"


class PoolDay(Cube):
    """池的每日进出."""

    pool = models.SmallIntegerField(_("池"), choices=Pool.choices)
    link = models.SmallIntegerField(_("关系"), choices=Link.choices)
    person = models.SmallIntegerField(_("人"), choices=Person.choices)
    n = models.IntegerField(_("次数"))

    class Meta:
        verbose_name = _("池的每日进出")
        verbose_name_plural = _("池的每日进出")
        indexes = [models.Index(fields=["pool", "on_day"], name="pool_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["on_day", "pool", "link", "person"],
                condition=Q(is_merged=True),
                name="pool_day_merged_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.on_day} {self.pool} {self.link}"


class StandingProof(models.Model):
    """对账: one run that held cubes, state and a full fold of the facts against one another."""

    started_at = models.DateTimeField(_("开始"))
    finished_at = models.DateTimeField(_("结束"), null=True)
    customers = models.BigIntegerField(_("核对客户"), default=0)
    drift = models.JSONField(_("不一致"), default=dict)
    is_repaired = models.BooleanField(_("已修复"), default=False)

    class Meta:
        ordering = ["-started_at"]
        verbose_name = _("常备数字对账")
        verbose_name_plural = _("常备数字对账")

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}"

    @property
    def total_drift(self) -> int:
        """Rows of state and cells of cubes that differed."""
        return sum(self.drift.values())
