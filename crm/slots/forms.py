"""A slot as a form; it collects, the action decides."""

from typing import Any

from django import forms
from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.models import User
from crm.content.models import Material
from crm.faces.models import Face
from crm.shared.filters import ManyChoices
from crm.slots.actions import MOST_DAYS, NAME_CHARS, SlotContent
from crm.slots.models import PostSlot
from crm.slots.queries import WEEKDAYS


class SlotForm(forms.Form):
    """Which days, at what time, for which persona account, from which materials."""

    name = forms.CharField(
        label=_("名称"), max_length=NAME_CHARS, help_text=_("例如：早安问候；客户看不到")
    )
    face = forms.ModelChoiceField(
        Face.objects.none(),
        label=_("人设客服"),
        help_text=_("由它的员工发表，只给属于它的客户看"),
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=_("星期几"),
        coerce=int,
        choices=list(enumerate(WEEKDAYS)),
        widget=forms.CheckboxSelectMultiple,
    )
    at = forms.TimeField(
        label=_("当地时间"),
        input_formats=["%H:%M"],
        widget=forms.TimeInput(attrs={"type": "time", "step": 60}, format="%H:%M"),
    )
    topic = forms.CharField(
        label=_("素材主题"),
        required=False,
        max_length=32,
        help_text=_("素材库里这个主题的公司素材都可以用；也可以在下面逐个列出"),
    )
    materials = forms.ModelMultipleChoiceField(
        None,
        label=_("列出的素材"),
        required=False,
        widget=ManyChoices,
        help_text=_("只列能直接发朋友圈的：文字、图片、有封面的链接；每篇都可以在草稿里再改"),
    )
    reuse_days = forms.IntegerField(
        label=_("同一素材间隔天数"),
        min_value=1,
        max_value=MOST_DAYS,
        initial=30,
        help_text=_("朋友圈或群发用过的素材，这么多天之内不再用；素材自己的间隔更长时以它为准"),
    )

    def __init__(self, *args: Any, user: User, slot: PostSlot | None = None, **kwargs: Any) -> None:
        if slot:
            kwargs["initial"] = _initial(slot)
        super().__init__(*args, **kwargs)
        own = Q(pk=slot.face_id if slot else None)
        self.fields["face"].queryset = Face.objects.filter(Q(is_archived=False) | own)
        self.fields["at"].help_text = settings.CORP_TIME_ZONE
        listed = Q(pk__in=slot.materials.values("pk")) if slot else Q(pk=None)
        shared = Material.objects.for_user(user).exclude(tier=Material.Tier.PERSONAL)
        covered = Q(link_url="") | Q(picture__isnull=False)
        able = Q(is_archived=False, app_id="") & covered
        self.fields["materials"].queryset = shared.filter(able | listed)

    def content(self) -> SlotContent:
        """What was written."""
        many = {name: tuple(self.cleaned_data[name]) for name in ("weekdays", "materials")}
        return SlotContent(**self.cleaned_data | many)


def _initial(slot: PostSlot) -> dict[str, Any]:
    plain = ("name", "face", "weekdays", "at", "topic", "reuse_days")
    values = {name: getattr(slot, name) for name in plain}
    return values | {"materials": list(slot.materials.values_list("pk", flat=True))}
