"""Who may do what: roles, permissions, and the policy that every URL carries."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

View = TypeVar("View", bound=Callable[..., Any])


class Role(TextChoices):
    """角色: what a login is for; what it sees is narrowed further by departments."""

    AGENT = "agent", _("员工")
    LEAD = "lead", _("主管")
    OPERATOR = "operator", _("运营")
    MANAGER = "manager", _("经理")
    REVIEWER = "reviewer", _("合规")
    ADMIN = "admin", _("管理员")
    SERVICE = "service", _("系统对接")


class Permission(Enum):
    """权限: one right to do or see one thing; the value is its name for people."""

    TODAY_VIEW = _("查看今日")
    PREFERENCES = _("修改个人偏好")
    CUSTOMER_VIEW = _("查看客户")
    CUSTOMER_REVEAL = _("查看完整手机号")
    GROUP_VIEW = _("查看客户群")
    MOMENT_VIEW = _("查看朋友圈")
    MOMENT_SCHEDULE = _("安排朋友圈")
    MOMENT_APPROVE = _("审批朋友圈")
    SEND_VIEW = _("查看群发")
    SEND_PLAN = _("安排群发")
    SEND_APPROVE = _("审批群发")
    ANALYTICS_VIEW = _("查看漏斗")
    AGENTS_VIEW = _("查看员工报表")
    AGENT_CARD = _("查看员工卡片")
    OPT_OUT = _("登记拒收营销")
    FOLLOW_UP = _("跟进客户")
    FIELDS_EDIT = _("填写客户资料")
    AUDIENCE_SAVE = _("保存人群")
    AUDIENCE_TAG = _("为人群建标签")
    EXPORT = _("导出数据")
    IMPORT_RUN = _("导入数据")
    JOB_VIEW = _("查看作业")
    SYNC_VIEW = _("查看同步状态")
    CALLBACK_REPLAY = _("重新处理回调")
    CONTENT_VIEW = _("查看素材和话术")
    CONTENT_EDIT = _("维护公司素材")
    CONTENT_APPROVE = _("评定金牌话术")
    WELCOME_EDIT = _("设置欢迎语")
    FACE_EDIT = _("设置人设客服和固定栏目")
    TAG_EDIT = _("打标签")
    HANDOVER_VIEW = _("查看继承")
    HANDOVER_PLAN = _("安排继承")
    IDENTITY_RESOLVE = _("处理身份冲突")
    OUTBOX_VIEW = _("查看发送队列")
    OUTBOX_RESOLVE = _("处理存疑发送")
    ARCHIVE_READ = _("查阅会话存档")
    API_INGEST = _("通过接口写入数据")
    API_FIGURES = _("通过接口读取数字")
    API_CONTENT = _("通过接口读写素材")
    API_DOCS = _("查看接口文档")
    SUBJECT_HANDLE = _("办理个人信息请求")
    SUBJECT_APPROVE = _("复核个人信息删除")
    CONFIGURE = _("系统配置")


P = Permission
_EVERYBODY = frozenset({P.TODAY_VIEW, P.PREFERENCES, P.JOB_VIEW})
_SEES = _EVERYBODY | {P.CUSTOMER_VIEW, P.GROUP_VIEW, P.MOMENT_VIEW}

ROLE_PERMISSIONS: dict[str, frozenset[Permission]] = {
    Role.AGENT: _SEES
    | {
        P.CONTENT_VIEW,
        P.CUSTOMER_REVEAL,
        P.TAG_EDIT,
        P.OPT_OUT,
        P.FOLLOW_UP,
        P.FIELDS_EDIT,
        P.HANDOVER_VIEW,
        P.AGENT_CARD,
    },
    Role.LEAD: _SEES
    | {
        P.CONTENT_VIEW,
        P.CONTENT_APPROVE,
        P.OPT_OUT,
        P.FOLLOW_UP,
        P.FIELDS_EDIT,
        P.TAG_EDIT,
        P.HANDOVER_VIEW,
        P.HANDOVER_PLAN,
        P.CUSTOMER_REVEAL,
        P.SEND_VIEW,
        P.MOMENT_SCHEDULE,
        P.MOMENT_APPROVE,
        P.ANALYTICS_VIEW,
        P.AGENTS_VIEW,
        P.AGENT_CARD,
        P.AUDIENCE_SAVE,
        P.EXPORT,
        P.API_FIGURES,
    },
    Role.OPERATOR: _SEES
    | {
        P.CONTENT_VIEW,
        P.CONTENT_EDIT,
        P.OPT_OUT,
        P.FOLLOW_UP,
        P.FIELDS_EDIT,
        P.TAG_EDIT,
        P.IDENTITY_RESOLVE,
        P.HANDOVER_VIEW,
        P.SEND_VIEW,
        P.AUDIENCE_TAG,
        P.SEND_PLAN,
        P.MOMENT_SCHEDULE,
        P.ANALYTICS_VIEW,
        P.AUDIENCE_SAVE,
        P.EXPORT,
        P.IMPORT_RUN,
        P.SYNC_VIEW,
        P.CALLBACK_REPLAY,
        P.WELCOME_EDIT,
        P.FACE_EDIT,
        P.OUTBOX_VIEW,
        P.OUTBOX_RESOLVE,
        P.API_FIGURES,
        P.API_DOCS,
    },
    Role.MANAGER: _SEES
    | {
        P.CONTENT_VIEW,
        P.CONTENT_EDIT,
        P.CONTENT_APPROVE,
        P.FACE_EDIT,
        P.SUBJECT_HANDLE,
        P.SUBJECT_APPROVE,
        P.OPT_OUT,
        P.FOLLOW_UP,
        P.FIELDS_EDIT,
        P.TAG_EDIT,
        P.IDENTITY_RESOLVE,
        P.HANDOVER_VIEW,
        P.HANDOVER_PLAN,
        P.CUSTOMER_REVEAL,
        P.SEND_VIEW,
        P.SEND_APPROVE,
        P.MOMENT_APPROVE,
        P.ANALYTICS_VIEW,
        P.AGENTS_VIEW,
        P.AGENT_CARD,
        P.AUDIENCE_SAVE,
        P.EXPORT,
        P.SYNC_VIEW,
        P.OUTBOX_VIEW,
        P.API_FIGURES,
        P.API_DOCS,
    },
    Role.REVIEWER: _EVERYBODY
    | {P.CUSTOMER_VIEW, P.GROUP_VIEW, P.ARCHIVE_READ, P.SUBJECT_HANDLE, P.SUBJECT_APPROVE},
    Role.ADMIN: _EVERYBODY | {P.CONFIGURE, P.SYNC_VIEW, P.CALLBACK_REPLAY, P.API_DOCS},
    Role.SERVICE: frozenset({P.API_INGEST, P.API_FIGURES, P.API_CONTENT}),
}


class Scope(Enum):
    """What narrows the rows behind a URL: nothing, or the viewer's customers, groups, agents …"""

    NONE = "none"
    OWN = "own"
    CUSTOMER = "customer"
    GROUP = "group"
    AGENT = "agent"
    MOMENT = "moment"
    SEND = "send"
    AUDIENCE = "audience"


@dataclass(frozen=True)
class Policy:
    """The row of one URL in the policy table.

    ``permission`` None with ``public`` False means: any signed-in user. ``audit`` writes an audit
    entry before the view runs, so that without the entry there is no answer. ``closed``: pages
    of installed packages that we do not offer.
    """

    permission: Permission | None
    scope: Scope = Scope.NONE
    audit: bool = False
    public: bool = False
    closed: bool = False

    @property
    def roles(self) -> frozenset[str]:
        """Roles that may open the URL."""
        if self.closed:
            return frozenset()
        if self.public or self.permission is None:
            return frozenset(Role.values)
        return frozenset(r for r, rights in ROLE_PERMISSIONS.items() if self.permission in rights)

    def admits(self, user: Any) -> bool:
        """Whether the user's role holds the permission (scope is the query layer's business)."""
        if self.public:
            return True
        return bool(user.is_authenticated and user.is_active and user.role in self.roles)


PUBLIC = Policy(None, public=True)
SIGNED_IN = Policy(None)
CLOSED = Policy(None, closed=True)


def requires(
    permission: Permission, *, scope: Scope = Scope.NONE, audit: bool = False
) -> Callable[[View], View]:
    """Give a view its policy row; the middleware refuses every view that has none."""

    def attach(view: View) -> View:
        view.policy = Policy(permission, scope, audit)
        return view

    return attach


def public(view: View) -> View:
    """A view for everybody, signed in or not (health, WeCom callback)."""
    view.policy = PUBLIC
    return view


def has_permission(user: Any, permission: Permission) -> bool:
    """Whether ``user`` holds ``permission`` by role."""
    return Policy(permission).admits(user)
