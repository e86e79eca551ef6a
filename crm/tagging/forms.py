"""Which tags to put on and to take off; the actions decide."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.customers.models import Contact, Tag
from crm.shared.filters import ManyChoices


class TagForm(forms.Form):
    """Tags by group, to put on and to take off."""

    add = forms.ModelMultipleChoiceField(
        Tag.objects.none(), label=_("加上"), required=False, widget=ManyChoices
    )
    remove = forms.ModelMultipleChoiceField(
        Tag.objects.none(), label=_("取下"), required=False, widget=ManyChoices
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tags = Tag.objects.filter(is_deleted=False).select_related("group")
        for name in ("add", "remove"):
            self.fields[name].queryset = tags
            self.fields[name].label_from_instance = lambda tag: f"{tag.group.name} · {tag.name}"

    def tags(self) -> dict[str, list[Tag]]:
        """What the actions ask for."""
        return {
            "adds": list(self.cleaned_data["add"]),
            "removes": list(self.cleaned_data["remove"]),
        }


class CustomerTagForm(TagForm):
    """The same for one customer, on the relations that are ticked."""

    relations = forms.ModelMultipleChoiceField(
        None,
        label=_("好友关系"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("标签挂在员工与客户的关系上，不同员工看到的标签可以不同"),
    )

    field_order = ("relations", "add", "remove")

    def __init__(self, *args: Any, relations, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"relations": relations})
        super().__init__(*args, **kwargs)
        self.fields["relations"].queryset = relations
        self.fields["relations"].label_from_instance = _relation_label


def _relation_label(contact: Contact) -> str:
    tags = "、".join(sorted(tag.name for tag in contact.tags.all() if not tag.is_deleted))
    return f"{contact.agent.name}：{tags or '—'}"
