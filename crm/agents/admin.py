"""Departments, agents, logins, API tokens and the audit trail in Django admin."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crm.agents.access import ROLE_PERMISSIONS, Permission, Role
from crm.agents.actions import audit, issue_token, revoke_token
from crm.agents.console import ConsoleAdmin, MirrorAdmin
from crm.agents.models import Agent, ApiToken, AuditEntry, Department, User

TOKEN_DAYS = 90


@admin.register(Department)
class DepartmentAdmin(MirrorAdmin):
    """The tree as WeCom has it."""

    list_display = ("indented", "wecom_id", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name",)
    list_per_page = 200
    fields = ("name", "parent", "wecom_id", "is_active", "created_at", "updated_at")

    @admin.display(description=gettext_lazy("名称"), ordering="path")
    def indented(self, department: Department) -> str:
        return "　" * (department.path.count("/") - 2) + department.name


@admin.register(Agent)
class AgentAdmin(MirrorAdmin):
    """Members as WeCom has them."""

    list_display = ("name", "userid", "department", "position", "is_leader", "status", "login")
    list_filter = ("status", "is_leader", "department")
    list_select_related = ("department", "user")
    search_fields = ("name", "name_sort", "userid")
    fields = (
        "name",
        "userid",
        "department",
        "position",
        "is_leader",
        "status",
        "left_at",
        "synced_at",
    )

    @admin.display(description=gettext_lazy("登录账号"))
    def login(self, agent: Agent) -> str:
        user = getattr(agent, "user", None)
        return user.username if user else "—"


@admin.register(User)
class UserAdmin(ConsoleAdmin, DjangoUserAdmin):
    """Logins: role, the agent behind it, and the departments whose rows it sees."""

    list_display = ("username", "role", "agent", "is_active", "last_login")
    list_filter = ("role", "is_active")
    list_select_related = ("agent",)
    search_fields = ("username", "agent__name")
    autocomplete_fields = ("agent",)
    filter_horizontal = ("departments",)
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (gettext_lazy("角色与范围"), {"fields": ("role", "agent", "departments")}),
        (gettext_lazy("偏好"), {"fields": ("language", "theme")}),
        (gettext_lazy("状态"), {"fields": ("is_active", "last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "username",
                    "usable_password",
                    "password1",
                    "password2",
                    "role",
                    "agent",
                    "departments",
                )
            },
        ),
    )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        # Django's own flags follow the role, so that the role stays the one thing to grant.
        obj.is_staff = obj.is_superuser = obj.role == Role.ADMIN
        super().save_model(request, obj, form, change)
        fields = sorted(set(form.changed_data) - {"password", "password1", "password2"})
        audit(request.user, "user.change" if change else "user.add", obj, fields=fields)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = ""):
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            audit(request.user, "user.password", self.get_object(request, id))
        return response


class TokenForm(forms.ModelForm):
    """A token to issue: for whom, for what, until when."""

    rights = forms.MultipleChoiceField(
        label=gettext_lazy("权限"), widget=forms.CheckboxSelectMultiple
    )
    days = forms.IntegerField(
        label=gettext_lazy("有效天数"), min_value=1, max_value=366, initial=TOKEN_DAYS
    )

    class Meta:
        model = ApiToken
        fields = ("user", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rights"].choices = [(p.name, p.value) for p in Permission]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        user, rights = cleaned.get("user"), cleaned.get("rights") or []
        if user is None:
            return cleaned
        beyond = [r for r in rights if Permission[r] not in ROLE_PERMISSIONS[user.role]]
        if beyond:
            names = _("、").join(str(Permission[r].value) for r in beyond)
            message = _("%(user)s 的角色没有这些权限：%(names)s")
            raise ValidationError({"rights": message % {"user": user.username, "names": names}})
        return cleaned


@admin.register(ApiToken)
class ApiTokenAdmin(ConsoleAdmin):
    """Tokens are issued and revoked, never changed; the secret is shown once."""

    list_display = ("name", "prefix", "user", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("revoked_at",)
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    actions = ("revoke",)
    shown = ("name", "user", "prefix", "permissions", "expires_at", "revoked_at", "last_used_at")

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        # A list with actions asks for this right without an object.
        return obj is None and super().has_change_permission(request, obj)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None):
        return self.shown if obj else ("user", "name", "rights", "days")

    def get_form(self, request: HttpRequest, obj: ApiToken | None = None, **kwargs: Any):
        if obj is None:
            kwargs |= {"form": TokenForm, "fields": ("user", "name")}
        return super().get_form(request, obj, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: ApiToken, form: TokenForm, change: bool
    ) -> None:
        data = form.cleaned_data
        token, key = issue_token(
            user=data["user"],
            name=data["name"],
            permissions=[Permission[right] for right in data["rights"]],
            expires_at=timezone.now() + timedelta(days=data["days"]),
            by=request.user,
        )
        obj.__dict__.update(token.__dict__)
        request.issued_key = key

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        context = self.admin_site.each_context(request)
        context |= {"title": _("令牌已签发"), "token": obj, "key": request.issued_key}
        response = TemplateResponse(request, "admin/crm/apitoken/issued.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description=gettext_lazy("吊销所选令牌"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        revoked = sum(
            revoke_token(token=token, by=request.user, now=timezone.now()) for token in queryset
        )
        words = ngettext("已吊销 %(n)s 个令牌", "已吊销 %(n)s 个令牌", revoked)
        self.message_user(request, words % {"n": revoked}, messages.SUCCESS)


@admin.register(AuditEntry)
class AuditEntryAdmin(MirrorAdmin):
    """Who did what; a trigger refuses every change to it."""

    list_display = ("at", "actor_name", "action", "object_type", "object_id", "reason")
    list_filter = ("action",)
    search_fields = ("actor_name", "action", "object_id")
    date_hierarchy = "at"
    fields = ("at", "actor_name", "action", "object_type", "object_id", "reason", "details")
