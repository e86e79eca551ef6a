"""The rules that an installation starts with; everything later is a dated row of the company's."""

from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.outbox.models import PlatformQuota

SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def seed_rules(**_signal: Any) -> None:
    """Write the platform's published limits once (after every migration)."""
    window = PlatformQuota.Window
    with override("zh-hans"):
        rows = [
            (
                "moment.create",
                10,
                window.ROLLING,
                60,
                _("企业微信：每分钟至多创建 10 条朋友圈任务"),
            ),
            (
                "moment.remind",
                3,
                window.ROLLING,
                86_400,
                _("每位员工每条朋友圈 24 小时至多提醒 3 次"),
            ),
            (
                "moment.customer_day",
                3,
                window.DAY,
                86_400,
                _("每位客户每天至多看到 3 条企业朋友圈；平台未公布确切数字，请按实际调整"),
            ),
        ]
    for code, limit, kind, seconds, note in rows:
        PlatformQuota.objects.get_or_create(
            code=code,
            valid_from=SINCE,
            defaults={"limit": limit, "window": kind, "seconds": seconds, "note": note},
        )
