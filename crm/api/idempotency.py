"""One effect for one ``Idempotency-Key``, however often and however much at once it is sent."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _
from rest_framework.request import Request

from crm.agents.models import User
from crm.api.models import KeptAnswer
from crm.shared.errors import DomainError

KEPT_FOR = timedelta(hours=24)
HEADER = "Idempotency-Key"
_KEY = re.compile(r"^[\x21-\x7e]{1,128}$")

Answer = tuple[int, dict[str, Any]]

# A parallel request with the same key waits here until the first one's transaction has ended.
_TAKE = """
insert into crm_keptanswer (user_id, key, digest, status, answer, at)
values (%(user)s, %(key)s, %(digest)s, 0, '{}', %(now)s)
on conflict (user_id, key) do update
set digest = excluded.digest, status = 0, answer = '{}', at = excluded.at
where crm_keptanswer.at < %(expired)s
returning id
"""


class KeyRefused(DomainError):
    """The key is malformed, or was used with another body."""

    code = "idempotency_key"


def key_of(request: Request) -> str | None:
    """The request's key; raises KeyRefused for one that is none."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.match(key):
        raise KeyRefused(_("Idempotency-Key 应为 1 到 128 个可见的英文字符"), field=HEADER)
    return key


def digest_of(request: Request) -> str:
    """What makes two requests the same: method, path and body."""
    content = b"\n".join([request.method.encode(), request.path.encode(), request.body])
    return hashlib.sha256(content).hexdigest()


def answer_once(
    answer: Callable[[], Answer], *, key: str, digest: str, user: User, now: datetime
) -> tuple[Answer, bool]:
    """The answer to a key, and whether it is a repetition.

    Effect and kept answer commit together. Raises KeyRefused when the key came with other content.
    """
    with transaction.atomic():
        if not _take(key=key, digest=digest, user=user, now=now):
            kept = KeptAnswer.objects.get(user=user, key=key)
            if kept.digest != digest:
                raise KeyRefused(
                    _("该 Idempotency-Key 已用于另一个请求：请换一个新的键"), field=HEADER
                )
            return (kept.status, kept.answer), True
        status, body = answer()
        kept = KeptAnswer.objects.get(user=user, key=key)
        kept.status, kept.answer = status, body
        kept.save(update_fields=["status", "answer"])
        # Answered as it was kept: the repetition will be the same to the byte.
        kept.refresh_from_db(fields=["answer"])
        return (status, kept.answer), False


def _take(*, key: str, digest: str, user: User, now: datetime) -> bool:
    values = {"user": user.pk, "key": key, "digest": digest, "now": now, "expired": now - KEPT_FOR}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        return cursor.fetchone() is not None


def forget_old_answers(*, now: datetime) -> int:
    """Drop answers that nobody may ask for any more; returns how many."""
    return KeptAnswer.objects.filter(at__lt=now - KEPT_FOR).delete()[0]
