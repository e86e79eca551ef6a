"""A persona account as a form; it collects, the action decides."""

from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.models import Agent, User
from crm.customers.models import Channel, Tag
from crm.faces import queries
from crm.faces.actions import NAME_CHARS, TONE_CHARS, FaceContent
from crm.faces.models import Face
from crm.shared.filters import ManyChoices


class FaceForm(forms.Form):
    """Who speaks, how, and for whom."""

    name = forms.CharField(
        label=_("名称"), max_length=NAME_CHARS, help_text=_("例如：老友会旅行小客服")
    )
    tone = forms.CharField(
        label=_("语气"),
        max_length=TONE_CHARS,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_(
            "为它写朋友圈、群发、欢迎语时显示在旁边，例如：称呼叔叔阿姨，短句，不用网络用语"
        ),
    )
    topic = forms.CharField(
        label=_("素材主题"),
        required=False,
        max_length=32,
        help_text=_("它用的素材和话术的主题，写文案时可以直接打开"),
    )
    agents = forms.ModelMultipleChoiceField(
        None,
        label=_("员工"),
        required=False,  # Those beyond the editor's scope stay, and may be all.
        widget=ManyChoices,
        help_text=_("以这个人设工作的账号；一个账号只属于一个人设"),
    )
    tag = forms.ModelChoiceField(
        Tag.objects.none(),
        label=_("客户标签"),
        required=False,
        empty_label=_("不按标签"),
        help_text=_("服务谁：选一个客户标签，或在下面选一个人群"),
    )
    audience = forms.ModelChoiceField(
        None, label=_("人群"), required=False, empty_label=_("不按人群")
    )
    channels = forms.ModelMultipleChoiceField(
        Channel.objects.none(),
        label=pgettext_lazy("face", "专属来源渠道"),
        required=False,
        widget=ManyChoices,
        help_text=_("从这些活码或链接来的客户由它欢迎"),
    )

    def __init__(self, *args: Any, user: User, face: Face | None = None, **kwargs: Any) -> None:
        if face:
            kwargs["initial"] = _initial(face)
        super().__init__(*args, **kwargs)
        members = Q(pk__in=face.members.values("agent_id")) if face else Q(pk=None)
        agents = Agent.objects.for_user(user)
        self.fields["agents"].queryset = agents.filter(
            Q(status=Agent.Status.ACTIVE) | members
        ).select_related("department")
        self.fields["agents"].label_from_instance = _agent_label
        tags = Tag.objects.filter(Q(is_deleted=False) | Q(pk=face.tag_id if face else None))
        self.fields["tag"].queryset = tags.select_related("group")
        self.fields["tag"].label_from_instance = lambda tag: f"{tag.group.name} · {tag.name}"
        self.fields["audience"].queryset = queries.audiences(user, face)
        own = Q(pk__in=face.channels.values("pk")) if face else Q(pk=None)
        self.fields["channels"].queryset = Channel.objects.filter(Q(is_active=True) | own)

    def content(self) -> FaceContent:
        """What was written."""
        many = {name: tuple(self.cleaned_data[name]) for name in ("agents", "channels")}
        return FaceContent(**self.cleaned_data | many)


def _initial(face: Face) -> dict[str, Any]:
    plain = {name: getattr(face, name) for name in ("name", "tone", "topic", "tag", "audience")}
    return plain | {
        "agents": list(face.members.values_list("agent_id", flat=True)),
        "channels": list(face.channels.values_list("pk", flat=True)),
    }


def _agent_label(agent: Agent) -> str:
    return f"{agent.name} · {agent.department.name}" if agent.department else agent.name
