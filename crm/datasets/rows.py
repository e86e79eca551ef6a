"""What a row of a dataset holds: a unit, an event, a time, perhaps a number; the rest as it is."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from crm.ingest import cells
from crm.ingest.kinds import Field, RowKind, plain
from crm.ingest.problems import BadCell
from crm.ingest.rows import MAX_PROPERTIES, RowParser, clean_object

MAX_EVENT_NAMES = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"^[0-9]{1,16}(\.[0-9]*)?$")
_COMPACT = re.compile(r"^(19|20|21)[0-9]{6}([0-9]{4}([0-9]{2})?)?$")
# What column files can hold.
_FIRST_YEAR, _LAST_YEAR = 1970, 2105


def moment(raw: Any) -> datetime | None:
    """An instant: ISO with zone or in the corporation's, or Unix time.

    A plain number counts seconds; from 12 digits on milliseconds, from 15 on microseconds. Digits
    that read as a date of these centuries (20261103, 202611030905) are one.
    """
    # Fifteen digits of a float, as everywhere else, would cut microseconds off.
    value = repr(raw) if isinstance(raw, float) else cells.text(raw)
    if _NUMBER.match(value) and not _is_compact(value):
        return _EPOCH + timedelta(microseconds=_micros(value))
    found = cells.instant(raw)
    if found and not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise BadCell("time_out_of_range")
    return found


def _micros(value: str) -> int:
    digits = len(value.partition(".")[0])
    scale = 1 if digits >= 15 else 1_000 if digits >= 12 else 1_000_000
    micros = round(Decimal(value) * scale)
    if micros >= 2**32 * 1_000_000:
        raise BadCell("time_out_of_range")
    return micros


def _is_compact(value: str) -> bool:
    if not _COMPACT.match(value):
        return False
    try:
        datetime.fromisoformat(f"{value[:8]}T{value[8:]}" if value[8:] else value)
    except ValueError:
        return False
    return True


class _InOrderOfNames(RowKind):
    """Of several columns that could be a field, its first name wins, not the first column.

    A file may have a user, a session and a number of its own in any order.
    """

    def guess(self, headers: Sequence[str]) -> dict[str, str]:
        spelled: dict[str, str] = {}
        for header in headers:
            spelled.setdefault(plain(header), header)
        found: dict[str, str] = {}
        for field in self.fields:
            names = [plain(name) for name in (field.name, *field.aliases.split("|"))]
            fitting = (spelled[name] for name in names if name in spelled)
            if header := next((header for header in fitting if header not in found), None):
                found[header] = field.name
        return found


DATASET = _InOrderOfNames(
    "dataset",
    (
        Field(
            "unit",
            _("对象"),
            cells.identifier(200),
            required=True,
            aliases="unit_id|customer|customer_id|customer_no|member_id|user|user_id|uid|user_key"
            "|user_pseudo_id|distinct_id|person|person_id|visitor_id|client_id|account_id|case_id"
            "|actor|subject|external_userid"
            "|对象|客户|客户编号|客户ID|会员编号|会员ID|用户|用户ID|用户编号|session_id|session|id",
        ),
        Field(
            "event",
            _("事件"),
            cells.words(200),
            required=True,
            aliases="event_name|event_type|kind|action|activity|step"
            "|事件|事件名|事件名称|行为|动作",
        ),
        Field(
            "at",
            _("发生时间"),
            moment,
            "timestamptz",
            required=True,
            aliases="time|timestamp|ts|event_time|event_timestamp|occurred_at|happened_at|datetime"
            "|created_at|date|时间|发生时间|事件时间|行为时间",
        ),
        Field(
            "event_id",
            _("事件编号"),
            cells.identifier(120),
            aliases="source_key|insert_id|uuid|message_id|dedup_key|事件编号|事件ID|流水号|id",
        ),
    ),
    keeps_extras=True,
)


class DatasetParser(RowParser):
    """Rows of a dataset: names stay as they are spelled, every other column is a property."""

    def _check(self, line: int, values: dict[str, Any], raw: Sequence[Any]) -> None:
        try:
            properties = self._properties(raw)
            if "properties" in properties:
                properties |= _unfolded(properties.pop("properties"))
        except BadCell as bad:
            self.problems.add(line, "properties", "", bad.code, **bad.params)
            return
        values["properties"] = packed = json.dumps(
            properties, ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        if len(packed) > MAX_PROPERTIES:
            self.problems.add(line, "properties", packed, "too_long", limit=MAX_PROPERTIES)
        values["digest"] = _digest(values)


def _unfolded(given: Any) -> dict[str, Any]:
    """A column called properties may hold them all, as a JSON object or its text."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise BadCell("bad_properties") from None
    return clean_object(given)


def _digest(values: Mapping[str, Any]) -> str:
    """What an event without a number of its own is known by: all that it says."""
    told = [values["unit"], values["event"], values["at"].isoformat(), values["properties"]]
    content = json.dumps(told, ensure_ascii=False)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
