"""People who were erased stay away: what WeCom said before does not open them anew.

An answer that was asked for before the erasure and is applied after it, an event that is delivered
late, an archived message that is pulled late: all of them name the person as if nothing had
happened. Kept is a keyed digest of the number, from which nobody reads the number, for as long as
such words may come.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils.crypto import salted_hmac

from crm.customers.models import ErasedNumber
from crm.shared import faults

KEPT = timedelta(days=30)
"""WeCom hands archived messages out for five days and repeats callbacks for less."""


def remember_erased(external_userid: str, *, at: datetime) -> None:
    """From now on nothing that WeCom said until ``at`` opens this person again."""
    ErasedNumber.objects.update_or_create(
        digest=_digest(external_userid), defaults={"erased_at": at}
    )


def erased_since(external_userids: Iterable[str]) -> dict[str, datetime]:
    """When those of these people who were erased were; the others are not in the answer."""
    if not faults.guarded("customers.erased") or not ErasedNumber.objects.exists():
        return {}
    digests = {_digest(name): name for name in external_userids}
    rows = ErasedNumber.objects.filter(digest__in=digests).values_list("digest", "erased_at")
    return {digests[digest]: at for digest, at in rows}


def _digest(external_userid: str) -> str:
    salted = salted_hmac("changke.erased", external_userid, algorithm="sha256")
    return salted.hexdigest()
