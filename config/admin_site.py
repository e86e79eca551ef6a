"""The admin site: configuration, one section per domain, no way in but the common sign-in."""

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Permission


class ChangkeAdminSite(AdminSite):
    site_header = _("常客 · 系统配置")
    site_title = _("常客")
    index_title = _("配置")

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and bool(
            getattr(request.user, "role", None) and request.user.can(Permission.CONFIGURE)
        )

    def login(self, request: HttpRequest, extra_context=None):
        return redirect(f"/accounts/login/?next={request.path}")
