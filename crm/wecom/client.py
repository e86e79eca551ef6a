"""The client: every call to WeCom is a method here, in our words.

Their paths and field names stay inside ``crm.wecom``; the methods themselves stand in ``calls/``.
Lists are walked to their end; a list of which one page could not be read raises, so a short answer
is never taken for a complete one.
"""

import os
from functools import lru_cache

from django.conf import settings

from crm.wecom.calls.archive import ArchiveCalls
from crm.wecom.calls.contacts import ContactCalls
from crm.wecom.calls.directory import DirectoryCalls
from crm.wecom.calls.groups import GroupCalls
from crm.wecom.calls.masses import MassCalls
from crm.wecom.calls.media import MediaCalls
from crm.wecom.calls.messages import MessageCalls
from crm.wecom.calls.moments import MomentCalls
from crm.wecom.calls.statistics import StatisticsCalls
from crm.wecom.calls.tags import TagCalls
from crm.wecom.calls.transfers import TransferCalls
from crm.wecom.calls.welcomes import WelcomeCalls
from crm.wecom.tokens import App
from crm.wecom.transport import Transport


class Client(
    ArchiveCalls,
    ContactCalls,
    DirectoryCalls,
    GroupCalls,
    MassCalls,
    MediaCalls,
    MessageCalls,
    MomentCalls,
    StatisticsCalls,
    TagCalls,
    TransferCalls,
    WelcomeCalls,
):
    """One application of one corporation. Safe to share between threads of a process."""


def client() -> Client:
    """The client of the configured application."""
    app = App(settings.WECOM_BASE_URL, settings.WECOM_CORP_ID, settings.WECOM_SECRET)
    return _client(os.getpid(), app, settings.WECOM_AGENT_ID)


def archive_client() -> Client:
    """The client of the chat archive, an application with a secret of its own."""
    secret = settings.WECOM_ARCHIVE_SECRET
    app = App(settings.WECOM_BASE_URL, settings.WECOM_CORP_ID, secret)
    return _client(os.getpid(), app, 0)


@lru_cache(maxsize=4)
def _client(_pid: int, app: App, agent_id: int) -> Client:
    # A worker's children must not share the connections of their parent, hence the process id.
    return Client(Transport(app), agent_id=agent_id)
