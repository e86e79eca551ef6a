"""The admin site: configuration, one section per domain, no way in but the common sign-in."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Permission

# Title of the section of each domain package, in the order in which the sections stand.
SECTIONS = {
    "agents": _("员工与权限"),
    "customers": _("客户"),
    "timeline": _("事实"),
    "outbox": _("发送规则"),
    "callbacks": _("回调"),
    "sync": _("同步"),
}
_ELSEWHERE = _("其他")
OURS = frozenset({"crm", "analytics"})


class ChangkeAdminSite(AdminSite):
    site_header = _("常客 · 系统配置")
    site_title = _("常客")
    index_title = _("配置")

    def register(self, model_or_iterable, admin_class=None, **options) -> None:
        """Only our own models: packages would offer theirs too, authenticator secrets included."""
        models = [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        ours = [model for model in models if model._meta.app_label in OURS]
        super().register(ours, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and bool(
            getattr(request.user, "role", None) and request.user.can(Permission.CONFIGURE)
        )

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """One section per domain package instead of one per Django app."""
        sections: dict[str, list[dict[str, Any]]] = {}
        for app in self._build_app_dict(request, app_label).values():
            for model in app["models"]:
                sections.setdefault(_domain(model["model"]), []).append(model)
        known = [name for name in SECTIONS if name in sections]
        others = sorted(sections.keys() - set(known))
        return [self._section(name, sections[name]) for name in (*known, *others)]

    def _section(self, name: str, models: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "name": SECTIONS.get(name, _ELSEWHERE),
            "app_label": name,
            "app_url": f"{reverse('admin:index')}#{name}",
            "has_module_perms": True,
            "models": models,
        }

    def login(self, request: HttpRequest, extra_context=None):
        return redirect(f"/accounts/login/?next={request.path}")


def _domain(model: type) -> str:
    """The package that a model lives in: crm.outbox.models -> outbox."""
    parts = model.__module__.split(".")
    return parts[1] if len(parts) > 2 and parts[0] in ("crm", "analytics") else parts[0]
