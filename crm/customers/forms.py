"""The filter bar of the list of customers, and the reason for seeing a phone number."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from crm.agents.access import Role
from crm.agents.models import Agent, Department
from crm.customers.models import Channel, Customer, Tag
from crm.customers.queries import CustomerFilter
from crm.shared.filters import FilterForm, ManyChoices
from crm.timeline.models import Fact, FactKind


def _many(label) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(label=label, required=False, widget=ManyChoices)


def _one(label, choices) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=[("", "—"), *choices])


def _day(label) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )


class CustomerFilterForm(FilterForm):
    """Conditions of the customer list; choices stay within what the user may see."""

    q = forms.CharField(label=gettext_lazy("搜索"), required=False, max_length=64)
    agent = _many(gettext_lazy("员工"))
    department = _many(gettext_lazy("部门"))
    channel = _many(gettext_lazy("来源渠道"))
    stage = _many(gettext_lazy("生命周期"))
    tag = _many(gettext_lazy("标签"))
    friend = _one(
        gettext_lazy("好友状态"),
        [
            ("friend", gettext_lazy("是好友")),
            ("lost", gettext_lazy("已不是好友")),
            ("never", gettext_lazy("从未加微")),
        ],
    )
    added_from = _day(gettext_lazy("加微不早于"))
    added_to = _day(gettext_lazy("加微不晚于"))
    has_order = _one(
        gettext_lazy("订单"),
        [("yes", gettext_lazy("有付款订单")), ("no", gettext_lazy("没有付款订单"))],
    )
    waiting = _one(gettext_lazy("待回复"), [("1", gettext_lazy("客户在等回复"))])
    event = _many(gettext_lazy("发生过"))
    event_from = _day(pgettext_lazy("range", "从"))
    event_to = _day(pgettext_lazy("range", "到"))
    event_agent = _one(gettext_lazy("涉及员工"), [])
    event_group = forms.IntegerField(
        label="", required=False, min_value=1, max_value=2**31, widget=forms.HiddenInput
    )

    groups = (
        (gettext_lazy("员工"), ("agent",)),
        (gettext_lazy("部门"), ("department",)),
        (gettext_lazy("渠道"), ("channel",)),
        (gettext_lazy("阶段"), ("stage",)),
        (gettext_lazy("标签"), ("tag",)),
        (gettext_lazy("好友"), ("friend",)),
        (gettext_lazy("加微时间"), ("added_from", "added_to")),
        (gettext_lazy("订单"), ("has_order",)),
        (gettext_lazy("待回复"), ("waiting",)),
        (
            gettext_lazy("发生过"),
            ("event", "event_from", "event_to", "event_agent", "event_group"),
        ),
    )

    def __init__(self, data: QueryDict, *, user: Any) -> None:
        super().__init__(data)
        self.user = user
        agents = [(str(a.pk), _agent_label(a)) for a in Agent.objects.for_user(user)]
        self._offer("agent", agents)
        self.fields["event_agent"].choices = [("", "—"), *agents]
        self._offer("department", _departments(user))
        self._offer("channel", [(str(c.pk), c.name) for c in Channel.objects.all()])
        self._offer("stage", Customer.Stage.choices)
        self._offer("tag", _tags())
        self._offer("event", [(kind.code, kind.label) for kind in FactKind.objects.all()])
        # One's own customers have one agent: nothing to choose from.
        if user.role == Role.AGENT:
            del self.fields["agent"], self.fields["department"]

    def _offer(self, name: str, choices) -> None:
        self.fields[name].choices = choices

    def clean_event_group(self) -> int | None:
        """Only groups that the user may see; their names show in the chip."""
        wanted = self.cleaned_data["event_group"]
        if not wanted:
            return None
        groups = Fact._meta.get_field("group").related_model
        group = groups.objects.for_user(self.user).filter(pk=wanted).first()
        if group is None:
            raise forms.ValidationError(_("没有这个群，或您无权查看"))
        self.fields["event_group"].choices = [(str(group.pk), str(group))]
        return group.pk

    def filter(self) -> CustomerFilter:
        """What the query string asks for, without what it got wrong."""
        self.is_valid()
        got = self.cleaned_data.get
        return CustomerFilter(
            q=got("q") or "",
            agents=_numbers(got("agent")),
            departments=_numbers(got("department")),
            channels=_numbers(got("channel")),
            stages=tuple(got("stage") or ()),
            tags=_numbers(got("tag")),
            friend=got("friend") or "",
            added_from=got("added_from"),
            added_to=got("added_to"),
            has_order=got("has_order") or "",
            waiting=bool(got("waiting")),
            events=tuple(got("event") or ()),
            event_from=got("event_from"),
            event_to=got("event_to"),
            event_agent=int(got("event_agent")) if got("event_agent") else None,
            event_group=got("event_group"),
        )


class RevealForm(forms.Form):
    """Why somebody wants to see a whole phone number."""

    reason = forms.CharField(
        label=gettext_lazy("查看原因"),
        max_length=200,
        min_length=2,
        help_text=gettext_lazy("会写入审计记录"),
    )


def _agent_label(agent: Agent) -> str:
    if agent.status == Agent.Status.LEFT:
        return _("%(name)s（已离职）") % {"name": agent.name}
    return agent.name


def _departments(user: Any) -> list[tuple[str, str]]:
    departments = list(Department.objects.filter(is_active=True))
    if user.role in (Role.LEAD, Role.MANAGER) and not user.oversees_everything:
        own = tuple(user.departments.values_list("path", flat=True))
        departments = [d for d in departments if own and d.path.startswith(own)]
    shallow = min((d.path.count("/") for d in departments), default=0)
    return [(str(d.pk), "　" * (d.path.count("/") - shallow) + d.name) for d in departments]


def _tags() -> list[tuple[str, list[tuple[str, str]]]]:
    grouped: dict[str, list[tuple[str, str]]] = {}
    for tag in Tag.objects.filter(is_deleted=False).select_related("group"):
        grouped.setdefault(tag.group.name, []).append((str(tag.pk), tag.name))
    return list(grouped.items())


def _numbers(values) -> tuple[int, ...]:
    return tuple(int(value) for value in values or ())
