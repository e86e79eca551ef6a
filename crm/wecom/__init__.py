"""WeCom (企业微信): the client that every outward call passes, its tokens and its crypto.

``sandbox/`` beside it is a process of its own that speaks the same protocol; nothing of the product
imports it. What surprises: errors say what is *certain* (``Refused``, ``RetryLater``,
``NotReachable``, ``Misconfigured``) and what is not (``OutcomeUnknown``), because no sending call
can be repeated safely; the package's attribute ``client`` is the function, not the module.
"""

from crm.wecom.client import ArchiveClient, Client, archive_client, client
from crm.wecom.errors import (
    BadFile,
    Misconfigured,
    NothingToSend,
    NotReachable,
    OutcomeUnknown,
    OverLimit,
    Refused,
    RetryLater,
    WeComError,
)

__all__ = [
    "ArchiveClient",
    "BadFile",
    "Client",
    "Misconfigured",
    "NotReachable",
    "NothingToSend",
    "OutcomeUnknown",
    "OverLimit",
    "Refused",
    "RetryLater",
    "WeComError",
    "archive_client",
    "client",
]
