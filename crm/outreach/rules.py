"""The receiving rule that an installation starts with, and the limit of reminders."""

from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.outbox.models import PlatformQuota
from crm.outreach.caps import CODE, ReceiveCap

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
REMIND = "mass_send.remind"


def seed_rules(**_signal: Any) -> None:
    """Write the platform's published rules once (after every migration)."""
    with override("zh-hans"):
        cap = _("企业微信：每位客户、每个群每月接收的群发不超过当月天数，员工自发的也计入")
        reminders = _("企业微信：同一条群发 24 小时内至多提醒 3 次")
    ReceiveCap.objects.get_or_create(code=CODE, valid_from=SINCE, defaults={"note": cap})
    PlatformQuota.objects.get_or_create(
        code=REMIND,
        valid_from=SINCE,
        defaults={"limit": 3, "seconds": 86_400, "note": reminders},
    )
