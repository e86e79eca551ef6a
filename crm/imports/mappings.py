"""Which column is which field: guessed from its name, remembered from last time, or told."""

import hashlib
from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from crm.imports.models import ImportMapping
from crm.imports.refusals import FileRefused
from crm.ingest.kinds import RowKind, plain
from crm.ingest.rows import Layout


class MappingRefused(FileRefused):
    """Columns and fields do not fit together."""

    code = "mapping_refused"


def signature(headers: Sequence[str]) -> str:
    """What two files with the same columns have in common."""
    return hashlib.sha256("\x1f".join(plain(header) for header in headers).encode()).hexdigest()


def proposed(kind: RowKind, headers: Sequence[str]) -> dict[str, str]:
    """Header → field: as it was confirmed last time for these headers, else by name."""
    remembered = ImportMapping.objects.filter(kind=kind.name, signature=signature(headers)).first()
    if remembered is None:
        return kind.guess(headers)
    return {
        header: name
        for header, name in remembered.mapping.items()
        if header in headers and kind.field(name)
    }


def remember(kind: RowKind, headers: Sequence[str], mapping: Mapping[str, str]) -> None:
    """Keep a confirmed mapping for the next file with these headers."""
    ImportMapping.objects.update_or_create(
        kind=kind.name, signature=signature(headers), defaults={"mapping": dict(mapping)}
    )


def layout(kind: RowKind, headers: Sequence[str], mapping: Mapping[str, str]) -> Layout:
    """The layout of a file; raises MappingRefused when a required column is missing."""
    names = [mapping.get(header) or None for header in headers]
    chosen = [name for name in names if name]
    if twice := next((name for name in chosen if chosen.count(name) > 1), None):
        raise MappingRefused(
            _("有两列都对应到「%(field)s」：请只保留一列") % {"field": _label(kind, twice)},
            field=twice,
        )
    missing = [field for field in kind.required if field.name not in chosen]
    if missing:
        listed = _("、").join(f"{field.label} ({field.name})" for field in missing)
        raise MappingRefused(
            _("缺少必需的列：%(columns)s。文件里的列：%(present)s")
            % {"columns": listed, "present": _("、").join(h for h in headers if h)[:300]},
            field=missing[0].name,
        )
    return Layout.of_columns(kind, names, headers)


def ignored(kind: RowKind, headers: Sequence[str], mapping: Mapping[str, str]) -> list[str]:
    """Columns that nothing is done with; of events none, they become properties."""
    if kind.keeps_extras:
        return []
    return [header for header in headers if header and not mapping.get(header)]


def told(kind: RowKind, headers: Sequence[str], text: str) -> dict[str, str]:
    """The mapping written as ``column=field,…``, on top of what the names say.

    Written the other way round it is understood too; ``column=`` leaves a column aside.
    """
    mapping = kind.guess(headers)
    for pair in filter(None, (part.strip() for part in text.split(","))):
        left, separator, right = (part.strip() for part in pair.partition("="))
        if not separator:
            raise MappingRefused(_("「%(pair)s」应写作 列名=字段") % {"pair": pair[:60]})
        column, name = (left, right) if left in headers else (right, left)
        if column not in headers:
            raise MappingRefused(_("文件里没有列「%(column)s」") % {"column": left[:60]})
        if name and kind.field(name) is None:
            raise MappingRefused(_("没有字段「%(field)s」") % {"field": name[:60]})
        mapping = {h: n for h, n in mapping.items() if n != name and h != column}
        mapping[column] = name
    return mapping


def _label(kind: RowKind, name: str) -> str:
    field = kind.field(name)
    return str(field.label) if field else name
