"""A mass send as a form; it collects, the actions decide."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.agents.models import User
from crm.articles.queries import opening
from crm.audiences.models import Audience
from crm.content.models import Material
from crm.gate.models import ContentKind
from crm.groups.models import Group
from crm.outreach.content import MOST_CONTROL, SendContent
from crm.outreach.models import MassSend

WALL = "%Y-%m-%dT%H:%M"


class SendForm(forms.Form):
    """What goes to whom and when."""

    title = forms.CharField(label=_("名称"), max_length=64, help_text=_("客户看不到"))
    target = forms.ChoiceField(
        label=_("发给"),
        choices=MassSend.Target.choices,
        widget=forms.RadioSelect,
        initial=MassSend.Target.CUSTOMERS,
    )
    audience = forms.ModelChoiceField(
        None,
        label=_("人群"),
        required=False,
        empty_label=_("请选择"),
    )
    groups = forms.ModelMultipleChoiceField(
        None, label=_("客户群"), required=False, widget=forms.CheckboxSelectMultiple
    )
    content_kind = forms.ChoiceField(
        label=_("内容类别"),
        choices=ContentKind.choices,
        initial=ContentKind.PROMOTION,
        help_text=_("触达规则可以只对某些类别有效，例如营销每周至多两次"),
    )
    text = forms.CharField(
        label=_("文字"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("最多 4000 字节，一个汉字占 3 字节"),
    )
    link_url = forms.CharField(label=_("链接地址"), required=False, max_length=2048)
    link_title = forms.CharField(label=_("链接标题"), required=False, max_length=128)
    link_description = forms.CharField(label=_("链接描述"), required=False, max_length=512)
    may_choose = forms.BooleanField(label=_("员工可取消部分客户"), required=False)
    control_percent = forms.IntegerField(
        label=_("对照组比例（%）"),
        required=False,
        min_value=0,
        max_value=MOST_CONTROL,
        help_text=_("随机留出这一比例的客户不发，与收到的人比较，才知道群发带来了多少"),
    )
    send_at = forms.DateTimeField(
        label=_("发送时间"),
        input_formats=[WALL, "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": 60}, format=WALL),
        help_text=settings.CORP_TIME_ZONE,
    )

    def __init__(
        self,
        *args: Any,
        user: User,
        send: MassSend | None = None,
        material: Material | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["initial"] = _initial(send) if send else {"send_at": _default(timezone.now())}
        if material and not send:
            kwargs["initial"] |= opening(material, "send")
        super().__init__(*args, **kwargs)
        self.fields["audience"].queryset = Audience.objects.for_user(user)
        self.fields["groups"].queryset = Group.objects.for_user(user).current()

    def content(self, material: Material | None = None) -> SendContent:
        """What was written, and the material that it came from."""
        data = dict(self.cleaned_data)
        audience, groups = data.pop("audience"), data.pop("groups")
        return SendContent(
            **data | {"control_percent": data["control_percent"] or 0},
            audience_id=audience.pk if audience else None,
            group_ids=tuple(group.pk for group in groups),
            material_id=material.pk if material else None,
        )


class PlanForm(SendForm):
    """The part of the form that decides who gets it; asked while composing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("title", "text", "link_url", "link_title", "link_description", "may_choose"):
            del self.fields[name]
        self.fields["send_at"].required = False


class RejectForm(forms.Form):
    """Why it goes back to its author."""

    reason = forms.CharField(
        label=_("退回原因"), max_length=255, widget=forms.Textarea(attrs={"rows": 2})
    )


def _default(now: datetime) -> datetime:
    """The next full hour that leaves time for an approval."""
    later = timezone.localtime(now) + timedelta(hours=2)
    return later.replace(minute=0, second=0, microsecond=0)


def _initial(send: MassSend) -> dict[str, Any]:
    plain = ("title", "target", "audience", "text", "link_url", "link_title", "link_description")
    values = {
        name: getattr(send, name)
        for name in (*plain, "may_choose", "send_at", "control_percent", "content_kind")
    }
    return values | {"groups": list(send.groups.values_list("pk", flat=True))}
