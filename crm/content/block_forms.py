"""The blocks of an article as rows of a form: filled in, put in order, left out."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.agents.models import User
from crm.content.blocks import MOST_BLOCKS, Block, blocks_of, written
from crm.content.models import ArticleBlock, Material
from crm.shared.times import local_day

PREFIX = "blocks"
BLANK_ROWS = 3
OFFERED = 200
TEXT_CHARS = 5_000
Kind = ArticleBlock.Kind


class BlockForm(forms.Form):
    """One block; a row in which nothing stands is none."""

    order = forms.IntegerField(
        label=gettext_lazy("顺序"),
        required=False,
        min_value=0,
        max_value=999,
        help_text=gettext_lazy("小的在前；不填按所在的行"),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("种类"),
        choices=[("", gettext_lazy("（不用这一行）")), *Kind.choices],
        required=False,
    )
    text = forms.CharField(
        label=gettext_lazy("文字"),
        required=False,
        max_length=TEXT_CHARS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("小标题和段落填写；换行就是另起一段"),
    )
    source = forms.ModelChoiceField(
        None,
        label=gettext_lazy("图片或产品卡片"),
        required=False,
        empty_label="—",
        help_text=gettext_lazy("取素材库里现在的一版；以后改了素材，请再保存一次图文"),
    )
    button = forms.CharField(
        label=gettext_lazy("按钮文字"),
        required=False,
        max_length=12,
        help_text=gettext_lazy("产品卡片的按钮，不填就是“查看详情”"),
    )

    def __init__(self, *args: Any, user: User, offered: list[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usable = Material.objects.for_user(user).filter(kind__in=("image", "product"))
        self.fields["source"].queryset = usable.select_related("picture", "route")
        self.fields["source"].widget.choices = offered

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        is_written = any(said.get(name) for name in ("text", "source", "button"))
        if is_written and not said.get("kind") and "kind" not in self.errors:
            self.add_error("kind", _("请选种类"))
        return said

    def block(self) -> Block | None:
        """What was written; None where nothing was."""
        said = getattr(self, "cleaned_data", {})
        if not said.get("kind") or said.get("DELETE"):
            return None
        return written(
            kind=said["kind"],
            text=said.get("text", ""),
            button=said.get("button", ""),
            source=said.get("source"),
        )


class BlockRows(forms.BaseFormSet):
    """All rows, in the order that was asked for."""

    def blocks(self) -> tuple[Block, ...]:
        """What stands there so far."""
        found = []
        for place, form in enumerate(self.forms):
            form.is_valid()
            if block := form.block():
                asked = form.cleaned_data.get("order")
                found.append((place + 1 if asked is None else asked, place, block))
        return tuple(block for *_place, block in sorted(found, key=lambda one: one[:2]))


_Rows = forms.formset_factory(
    BlockForm,
    formset=BlockRows,
    extra=0,
    can_delete=True,
    max_num=MOST_BLOCKS,
    absolute_max=MOST_BLOCKS,
    validate_max=True,
)


def block_rows(data: QueryDict | None, *, user: User, material: Material | None) -> BlockRows:
    """Rows of what was sent, or of what stands there, with blank ones at the end.

    A request without rows has none: other forms of a material know nothing of articles.
    """
    given = {"user": user, "offered": _offered(user)}
    if data is None:
        initial = [_row(place, block) for place, block in enumerate(_had(material), start=1)]
        rows = forms.formset_factory(
            BlockForm, formset=BlockRows, extra=BLANK_ROWS, can_delete=True, max_num=MOST_BLOCKS
        )
        return rows(initial=initial, prefix=PREFIX, form_kwargs=given)
    sent, total = data.copy(), f"{PREFIX}-TOTAL_FORMS"
    asked = sent.get(total, "")
    count = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else 0
    if sent.get("more"):
        count += BLANK_ROWS
    sent[total], sent[f"{PREFIX}-INITIAL_FORMS"] = str(min(count, MOST_BLOCKS)), "0"
    return _Rows(sent, prefix=PREFIX, form_kwargs=given)


def _had(material: Material | None) -> tuple[Block, ...]:
    return blocks_of(material) if material else ()


def _row(place: int, block: Block) -> dict[str, Any]:
    source = block.source.material_id if block.source else None
    shown = {"kind": block.kind, "text": block.text, "button": block.button}
    return shown | {"order": place, "source": source}


def _offered(user: User) -> list[Any]:
    """Pictures and product cards of the library in groups, the latest first."""
    usable = Material.objects.for_user(user).usable(local_day(timezone.now()))
    groups: list[Any] = [("", "—")]
    for kind in (Material.Kind.PRODUCT, Material.Kind.IMAGE):
        rows = usable.filter(kind=kind).order_by("-updated_at", "-pk")[:OFFERED]
        if listed := [(row.pk, row.title) for row in rows]:
            groups.append((str(kind.label), listed))
    return groups
