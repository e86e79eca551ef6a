"""Planning a handover and trying again, as forms; the actions decide."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.agents.models import Agent, Department, User
from crm.faces.models import Face
from crm.handover.models import Handover
from crm.handover.planning import Split
from crm.handover.queries import friends_of_agents
from crm.shared.filters import ManyChoices
from crm.wecom.limits import limits


class _Labels:
    """Names of agents with how many friends they have; counted once for all lists of a form."""

    def __init__(self, user: User) -> None:
        self.friends = friends_of_agents(user)

    def __call__(self, agent: Agent) -> str:
        words = _("%(name)s · %(team)s · %(n)s 位客户")
        team = agent.department.name if agent.department else "—"
        return words % {"name": agent.name, "team": team, "n": self.friends.get(agent.pk, 0)}

    def of_giver(self, agent: Agent) -> str:
        """The same, and whether the agent has left."""
        left = _("（已离职）") if agent.status == Agent.Status.LEFT else ""
        return self(agent) + left


def _agents(user: User):
    return Agent.objects.for_user(user).select_related("department")


class PlanForm(forms.Form):
    """Whose customers go to whom, and how they are shared out."""

    giver = forms.ModelChoiceField(None, label=gettext_lazy("原员工"), empty_label="—")
    takers = forms.ModelMultipleChoiceField(
        None, label=gettext_lazy("接替员工"), required=False, widget=ManyChoices
    )
    team = forms.ModelChoiceField(
        Department.objects.none(),
        label=gettext_lazy("接替部门"),
        required=False,
        empty_label="—",
        help_text=gettext_lazy("部门及下级部门中所有在职员工都接替"),
    )
    face = forms.ModelChoiceField(
        Face.objects.none(),
        label=gettext_lazy("只移交给人设客服"),
        required=False,
        empty_label="—",
        help_text=gettext_lazy("选了人设，只移交属于它、还不是它好友的客户，其余留在原员工名下"),
    )
    split = forms.ChoiceField(
        label=gettext_lazy("分配方式"),
        choices=Split.choices,
        initial=Split.EVEN,
        widget=forms.RadioSelect,
    )
    with_groups = forms.BooleanField(label=gettext_lazy("客户群也移交给接替员工"), required=False)
    message = forms.CharField(
        label=gettext_lazy("移交完成时告诉客户的话"),
        required=False,
        max_length=limits().transfer_message_ch,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("只在员工在职时由企业微信发给客户；离职继承没有这句话"),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        agents, labels = _agents(user), _Labels(user)
        givers = agents.filter(status__in=(Agent.Status.ACTIVE, Agent.Status.LEFT))
        self.fields["giver"].queryset = givers.filter(pk__in=labels.friends)
        self.fields["giver"].label_from_instance = labels.of_giver
        self.fields["takers"].queryset = agents.filter(status=Agent.Status.ACTIVE)
        self.fields["takers"].label_from_instance = labels
        self.fields["team"].queryset = Department.objects.filter(
            is_active=True, pk__in=agents.values("department_id")
        )
        self.fields["face"].queryset = Face.objects.live()
        self.user = user

    def plan(self) -> dict[str, Any]:
        """What ``make_plan`` and ``start_handover`` ask for."""
        got = self.cleaned_data
        takers = {agent.pk: agent for agent in got["takers"]}
        if got["team"]:
            team = Agent.objects.for_user(self.user).below([got["team"].path])
            active = team.filter(status=Agent.Status.ACTIVE).exclude(pk=got["giver"].pk)
            takers |= {agent.pk: agent for agent in active}
        return {
            "giver": got["giver"],
            "takers": [takers[pk] for pk in sorted(takers)],
            "split": got["split"],
            "with_groups": got["with_groups"],
            "face": got["face"],
        }


class RetryForm(forms.Form):
    """Who tries next; without rows it is everybody who can be tried again."""

    takers = forms.ModelMultipleChoiceField(
        None, label=gettext_lazy("换成谁接替"), widget=ManyChoices
    )
    ids = forms.TypedMultipleChoiceField(coerce=int, required=False)

    def __init__(self, *args: Any, user: User, handover: Handover, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        active = _agents(user).filter(status=Agent.Status.ACTIVE).exclude(pk=handover.giver_id)
        self.fields["takers"].queryset = active
        self.fields["takers"].label_from_instance = _Labels(user)
        rows = handover.transfers.latest().values_list("pk", flat=True)
        self.fields["ids"].choices = [(pk, pk) for pk in rows]
