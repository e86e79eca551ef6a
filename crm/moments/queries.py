"""What the pages of one moment show, within the viewer's scope."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from crm.agents.models import AuditEntry, User
from crm.customers.models import Customer
from crm.moments.audience import Choice, customer_ids
from crm.moments.calendar import LEVELS
from crm.moments.models import Moment, MomentAudience, MomentReaction, MomentTask
from crm.outbox.models import OutboxItem
from crm.shared.paging import Page, keyset_page

State = Moment.State
LIKE, COMMENT = MomentReaction.Kind.LIKE, MomentReaction.Kind.COMMENT
TASKS_A_PAGE = 100

WORDS = {
    "moment.draft": pgettext_lazy("deed", "新建"),
    "moment.edit": pgettext_lazy("deed", "修改"),
    "moment.submit": pgettext_lazy("deed", "提交审批"),
    "moment.approve": pgettext_lazy("deed", "审批通过"),
    "moment.reject": pgettext_lazy("deed", "退回"),
    "moment.reschedule": pgettext_lazy("deed", "改期"),
    "moment.cancel": pgettext_lazy("deed", "取消"),
    "moment.duplicate": pgettext_lazy("deed", "复制"),
    "moment.remind": pgettext_lazy("deed", "提醒员工"),
    "moment.cost": pgettext_lazy("deed", "记成本"),
    "moment.cost_dropped": pgettext_lazy("deed", "去掉成本"),
    "moment.lesson": pgettext_lazy("deed", "写下经验"),
}


@dataclass(frozen=True)
class Step:
    """One stage of a post: ``state`` is done, now, todo or failed; ``figure`` counts people."""

    label: str
    state: str
    figure: int | None = None
    of: int | None = None
    unit: str = ""
    people: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Results:
    """Figures of one post over the tasks that the viewer may see."""

    agents: int
    published: int
    outstanding: int
    planned_customers: int
    visible: int
    likes: int
    comments: int

    @property
    def published_rate(self) -> float | None:
        """Share of agents who pressed publish."""
        return self.published / self.agents if self.agents else None


@dataclass(frozen=True)
class TaskRow:
    """One agent's part, as the table shows it."""

    id: int
    agent: str
    department: str
    planned: int
    state: str
    level: str
    published_at: datetime | None
    reminders: int
    reminded_at: datetime | None
    visible: int
    likes: int
    comments: int
    may_remind: bool


@dataclass(frozen=True)
class Deed:
    """A line of the audit trail."""

    at: datetime
    who: str
    what: str
    reason: str


def read_results(moment: Moment, user: User) -> Results:
    """Planned, published, seen, liked: counted over the viewer's agents."""
    tasks = MomentTask.objects.for_user(user).filter(moment=moment)
    counted = tasks.aggregate(
        agents=Count("pk"),
        published=Count("pk", filter=Q(is_published=True)),
        outstanding=Count("pk", filter=Q(is_published=False, is_invalid=False)),
        planned=Coalesce(Sum("planned_customers"), 0),
    )
    sees_all = counted["agents"] == MomentTask.unsafe_all.filter(moment=moment).count()
    reactions = MomentReaction.unsafe_all.filter(task__in=tasks).aggregate(
        likes=Count("pk", filter=Q(kind=LIKE)), comments=Count("pk", filter=Q(kind=COMMENT))
    )
    visible = MomentAudience.unsafe_all.filter(task__in=tasks)
    return Results(
        agents=counted["agents"],
        published=counted["published"],
        outstanding=counted["outstanding"] if moment.state in Moment.FOLLOWED else 0,
        # A friend of two agents counts once for whoever sees both.
        planned_customers=moment.planned_customers if sees_all else counted["planned"],
        visible=visible.aggregate(n=Count("customer", distinct=True))["n"],
        **reactions,
    )


def steps_of(moment: Moment, results: Results) -> list[Step]:
    """Planned, created, published, seen: where it stands."""
    state, failed = moment.state, moment.state == State.FAILED
    created = bool(moment.wecom_moment_id)
    published = results.published > 0
    return [
        Step(
            _("计划"),
            "done" if moment.approved_at else "now",
            results.planned_customers,
            unit=_("位客户"),
            people="planned",
            at=moment.approved_at,
        ),
        Step(
            _("创建"),
            "done" if created else "failed" if failed else _now_if(state != State.DRAFT, moment),
            results.agents if created else None,
            unit=_("位员工收到任务"),
            at=moment.remote_since,
        ),
        Step(
            _("发表"),
            "done"
            if published and not results.outstanding
            else ("now" if created and state != State.CANCELLED else "todo"),
            results.published if created else None,
            of=results.agents if created else None,
            unit=_("位员工已发表"),
        ),
        Step(
            _("可见"),
            "done" if results.visible and state == State.DONE else "now" if published else "todo",
            results.visible if published else None,
            unit=_("位客户可见"),
            people="visible",
        ),
    ]


def _now_if(begun: bool, moment: Moment) -> str:
    return "now" if begun and moment.approved_at and moment.state != State.CANCELLED else "todo"


def task_page(moment: Moment, user: User, params: Mapping[str, str]) -> tuple[Page, list[TaskRow]]:
    """Agents of the post, laggards first."""
    tasks = (
        MomentTask.objects.for_user(user)
        .filter(moment=moment)
        .select_related("agent__department")
        .annotate(
            visible=_count(MomentAudience.unsafe_all.all()),
            likes=_count(MomentReaction.unsafe_all.filter(kind=LIKE)),
            comments=_count(MomentReaction.unsafe_all.filter(kind=COMMENT)),
        )
    )
    page = keyset_page(
        tasks, order=("is_published", "agent__name_sort"), params=params, size=TASKS_A_PAGE
    )
    return page, [_task_row(task, moment) for task in page]


def _count(rows: QuerySet) -> Coalesce:
    per_task = rows.filter(task=OuterRef("pk")).order_by().values("task").annotate(n=Count("pk"))
    return Coalesce(Subquery(per_task.values("n"), output_field=IntegerField()), 0)


def _task_row(task: MomentTask, moment: Moment) -> TaskRow:
    label, level = _task_state(task, moment)
    return TaskRow(
        id=task.pk,
        agent=task.agent.name,
        department=task.agent.department.name if task.agent.department else "",
        planned=task.planned_customers,
        state=label,
        level=level,
        published_at=task.published_at,
        reminders=task.reminders,
        reminded_at=task.reminded_at,
        visible=task.visible,
        likes=task.likes,
        comments=task.comments,
        may_remind=level == "warn",
    )


def _task_state(task: MomentTask, moment: Moment) -> tuple[str, str]:
    if task.is_published:
        return _("已发表"), "good"
    if task.is_invalid:
        return _("企业微信未派发"), "bad"
    if moment.state in Moment.FOLLOWED:
        return _("待发表"), "warn"
    if moment.state in (State.CANCELLED, State.DONE):
        return _("未发表"), ""
    return _("计划中"), ""


def people_of(moment: Moment, user: User, *, of: str, task_id: int | None) -> QuerySet[Customer]:
    """The customers behind a number, within the viewer's scope."""
    tasks = MomentTask.objects.for_user(user).filter(moment=moment)
    if task_id is not None:
        tasks = tasks.filter(pk=task_id)
    customers = Customer.objects.for_user(user)
    if of == "planned":
        agents = list(tasks.values_list("agent_id", flat=True))
        return customers.filter(pk__in=customer_ids(Choice.of(moment), agents))
    if of == "visible":
        rows = MomentAudience.unsafe_all.filter(task__in=tasks)
    else:
        kind = COMMENT if of == "commented" else LIKE
        rows = MomentReaction.unsafe_all.filter(task__in=tasks, kind=kind)
    return customers.filter(pk__in=rows.values("customer_id"))


def deeds_of(moment: Moment) -> list[Deed]:
    """Who did what to it, latest first."""
    entries = AuditEntry.objects.filter(object_type="moment", object_id=str(moment.pk))[:50]
    return [
        Deed(
            at=entry.at,
            who=entry.actor_name,
            what=str(WORDS.get(entry.action, entry.action)),
            reason=entry.reason,
        )
        for entry in entries
        if not entry.action.startswith("open:")
    ]


def call_of(moment: Moment) -> OutboxItem | None:
    """The outbox item of the last approval: why it waits, or what is unclear."""
    items = OutboxItem.unsafe_all.filter(
        subject_type="moment", subject_id=moment.pk, kind="moment.create"
    )
    return items.order_by("-pk").first()


def lessons_before(moment: Moment) -> list[Any]:
    """What was learned from the post that this one goes on from, the latest first."""
    return list(moment.follows.lessons.all()) if moment.follows else []


def waiting_for(user: User) -> QuerySet[Moment]:
    """Moments in scope that wait for an approval by somebody else than their author."""
    waiting = Moment.objects.for_user(user).filter(state=State.WAITING)
    return waiting.exclude(created_by=user).exclude(submitted_by=user).exclude(updated_by=user)


def level_of(moment: Moment) -> str:
    """The colour of the state."""
    return LEVELS.get(moment.state, "")
