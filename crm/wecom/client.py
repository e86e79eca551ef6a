"""The client: every call to WeCom is a method here, in our words.

Their paths and field names stay inside ``crm.wecom``; the methods themselves stand in ``calls/``.
Lists are walked to their end; a list of which one page could not be read raises, so a short answer
is never taken for a complete one.
"""

import os
from functools import lru_cache

from django.conf import settings
from django.utils.translation import gettext as _

from crm.wecom.calls.archive import ArchiveCalls
from crm.wecom.calls.channels import ChannelCalls
from crm.wecom.calls.contacts import ContactCalls
from crm.wecom.calls.directory import DirectoryCalls
from crm.wecom.calls.groups import GroupCalls
from crm.wecom.calls.links import LinkCalls
from crm.wecom.calls.masses import MassCalls
from crm.wecom.calls.media import MediaCalls
from crm.wecom.calls.messages import MessageCalls
from crm.wecom.calls.moments import MomentCalls
from crm.wecom.calls.products import ProductCalls
from crm.wecom.calls.rules import RuleCalls
from crm.wecom.calls.statistics import StatisticsCalls
from crm.wecom.calls.strategies import StrategyCalls
from crm.wecom.calls.tags import TagCalls
from crm.wecom.calls.transfers import TransferCalls
from crm.wecom.calls.welcomes import WelcomeCalls
from crm.wecom.errors import Misconfigured
from crm.wecom.tokens import App
from crm.wecom.transport import Transport


class Client(
    ChannelCalls,
    ContactCalls,
    DirectoryCalls,
    GroupCalls,
    LinkCalls,
    MassCalls,
    MediaCalls,
    MessageCalls,
    MomentCalls,
    ProductCalls,
    RuleCalls,
    StatisticsCalls,
    StrategyCalls,
    TagCalls,
    TransferCalls,
    WelcomeCalls,
):
    """The application that serves customers."""


class ArchiveClient(ArchiveCalls):
    """The chat archive, which has a secret of its own."""


def client() -> Client:
    """The client of the configured application."""
    return _client(os.getpid(), _app(settings.WECOM_SECRET), settings.WECOM_AGENT_ID)


def archive_client() -> ArchiveClient:
    """The client of the chat archive. Raises Misconfigured where its secret is not set."""
    if not settings.WECOM_ARCHIVE_SECRET:
        raise Misconfigured(_("未配置会话存档密钥，请设置 WECOM_ARCHIVE_SECRET"))
    return _archive_client(os.getpid(), _app(settings.WECOM_ARCHIVE_SECRET))


def _app(secret: str) -> App:
    return App(settings.WECOM_BASE_URL, settings.WECOM_CORP_ID, secret)


@lru_cache(maxsize=4)
def _client(_pid: int, app: App, agent_id: int) -> Client:
    # A worker's children must not share the connections of their parent, hence the process id.
    return Client(Transport(app), agent_id=agent_id)


@lru_cache(maxsize=4)
def _archive_client(_pid: int, app: App) -> ArchiveClient:
    return ArchiveClient(Transport(app), agent_id=0)
