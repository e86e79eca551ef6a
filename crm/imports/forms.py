"""Forms of an import: the upload, and one choice per column."""

from collections.abc import Mapping, Sequence

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.imports.models import ImportKind
from crm.ingest.kinds import RowKind


class UploadForm(forms.Form):
    """What the rows are, and the file."""

    kind = forms.ChoiceField(label=gettext_lazy("数据种类"), choices=ImportKind.choices)
    file = forms.FileField(
        label=gettext_lazy("文件"),
        help_text=gettext_lazy("CSV（最大 512 MB）或 .xlsx（最大 50 MB），第一行为列名"),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx"}),
        max_length=1000,
    )


class MappingForm(forms.Form):
    """One select per column of the file; fields are numbered, headers may be anything."""

    def __init__(
        self,
        *args,
        kind: RowKind,
        headers: Sequence[str],
        mapping: Mapping[str, str],
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.headers = list(headers)
        aside = _("作为属性保留") if kind.keeps_extras else _("不导入")
        choices = [("", aside)]
        for field in kind.fields:
            mark = " *" if field.required else ""
            choices.append((field.name, f"{field.label} ({field.name}){mark}"))
        for position, header in enumerate(headers):
            if header:
                self.fields[f"column_{position}"] = forms.ChoiceField(
                    label=header,
                    choices=choices,
                    required=False,
                    initial=mapping.get(header, ""),
                )

    def mapping(self) -> dict[str, str]:
        """Header → field, for the columns that were matched."""
        chosen = {}
        for position, header in enumerate(self.headers):
            if name := self.cleaned_data.get(f"column_{position}"):
                chosen[header] = name
        return chosen
