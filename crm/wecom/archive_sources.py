"""Which source the settings name, opened for one turn of work."""

from django.conf import settings
from django.utils.translation import gettext as _

from crm.wecom.archive import Archive, ArchiveSource, keys_folder
from crm.wecom.archive_native import NativeSource
from crm.wecom.archive_sandbox import SandboxSource
from crm.wecom.errors import Misconfigured


def open_archive() -> Archive:
    """The archive of the configured corporation; use it in a ``with``."""
    return Archive(_source(), keys_folder())


def _source() -> ArchiveSource:
    if settings.WECOM_ARCHIVE == "sandbox":
        return SandboxSource(settings.WECOM_BASE_URL)
    if settings.WECOM_ARCHIVE == "native":
        return NativeSource(
            settings.WECOM_ARCHIVE_LIBRARY,
            settings.WECOM_CORP_ID,
            settings.WECOM_ARCHIVE_SECRET,
            proxy=settings.WECOM_ARCHIVE_PROXY,
            proxy_password=settings.WECOM_ARCHIVE_PROXY_PASSWORD,
        )
    raise Misconfigured(_("没有开通会话存档"))
