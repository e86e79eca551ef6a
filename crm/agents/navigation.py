"""The places of the product, in the order in which they stand in the side bar.

An entry shows when the user holds its right and when its URL exists; the policy table still guards
the page itself, and a test holds both to the same right.
"""

from dataclasses import dataclass
from functools import lru_cache

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override, pgettext_lazy

from crm.agents.access import Permission


@dataclass(frozen=True)
class Place:
    """A page that the navigation leads to; ``key`` follows ``g`` on the keyboard."""

    url_name: str
    label: str | Promise
    icon: str
    permission: Permission
    key: str = ""
    in_bottom_bar: bool = False


@dataclass(frozen=True)
class Section:
    """A titled group of places."""

    title: str | Promise
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Entry:
    """A place that this user may open, as the templates show it."""

    label: str
    icon: str
    url: str
    key: str
    is_current: bool
    in_bottom_bar: bool
    words: str


P = Permission
SECTIONS = (
    Section(
        pgettext_lazy("navigation", "运营"),
        (
            Place("analytics:dashboards:today", _("今日"), "home", P.TODAY_VIEW, "t", True),
            Place("crm:customers:list", _("客户"), "users", P.CUSTOMER_VIEW, "c", True),
            Place("crm:followup:queue", _("跟进"), "phone-arrow-up-right", P.FOLLOW_UP, "u"),
            Place(
                "crm:groups:list", _("客户群"), "chat-bubble-left-right", P.GROUP_VIEW, "q", True
            ),
            Place("crm:moments:calendar", _("朋友圈"), "photo", P.MOMENT_VIEW, "m", True),
            Place("crm:outreach:list", _("群发"), "megaphone", P.SEND_VIEW, "n"),
            Place("crm:content:list", _("素材和话术"), "document-text", P.CONTENT_VIEW),
            Place("crm:planner:calendar", _("排期"), "calendar-days", P.SEND_VIEW, "y"),
            Place("crm:archive:home", _("会话存档"), "archive-box", P.ARCHIVE_READ, "h"),
            Place("crm:subjects:list", _("个人信息请求"), "shield-check", P.SUBJECT_HANDLE),
            Place("crm:subjects:consents", _("存档同意"), "check-circle", P.SUBJECT_HANDLE),
            Place("crm:handover:list", _("继承"), "arrows-right-left", P.HANDOVER_VIEW),
            Place("crm:acquisition:welcomes", _("欢迎语"), "hand-raised", P.WELCOME_EDIT),
            Place("crm:slots:list", _("固定栏目"), "clock", P.SEND_VIEW),
            Place("crm:faces:list", _("人设客服"), "face-smile", P.FACE_EDIT),
        ),
    ),
    Section(
        _("分析"),
        (
            Place("analytics:standing:journey", _("标准旅程"), "map", P.ANALYTICS_VIEW, "e"),
            Place("analytics:funnels:funnel", _("漏斗"), "funnel", P.ANALYTICS_VIEW, "f"),
            Place(
                "analytics:retention:retention",
                pgettext_lazy("report", "留存"),
                "arrow-path",
                P.ANALYTICS_VIEW,
                "l",
            ),
            Place(
                "analytics:paths:paths",
                pgettext_lazy("report", "路径"),
                "share",
                P.ANALYTICS_VIEW,
                "p",
            ),
            Place(
                "analytics:transitions:transitions",
                _("流转"),
                "arrows-right-left",
                P.ANALYTICS_VIEW,
                "v",
            ),
            Place("analytics:pool:pool", _("池平衡"), "scale", P.ANALYTICS_VIEW, "b"),
            Place("analytics:results:posts", _("发圈之后"), "photo", P.ANALYTICS_VIEW),
            Place("analytics:articles:list", _("图文效果"), "document-text", P.ANALYTICS_VIEW),
            Place("analytics:assets:assets", _("数据资产"), "circle-stack", P.ANALYTICS_VIEW),
            Place("crm:personas:list", _("画像类型"), "identification", P.ANALYTICS_VIEW),
            Place("analytics:risk:risk", _("删除风险"), "shield-exclamation", P.ANALYTICS_VIEW),
            Place("analytics:rfm:grid", _("价值分层"), "squares-2x2", P.ANALYTICS_VIEW, "k"),
            Place(
                "analytics:dashboards:agents",
                pgettext_lazy("navigation", "员工"),
                "identification",
                P.AGENTS_VIEW,
                "y",
            ),
            Place("analytics:replies:replies", _("回复时长"), "clock", P.AGENTS_VIEW, "w"),
            Place("analytics:segments:list", _("分群"), "rectangle-group", P.AUDIENCE_SAVE, "g"),
            Place("crm:audiences:list", _("人群"), "user-group", P.AUDIENCE_SAVE, "r"),
        ),
    ),
    Section(
        _("系统"),
        (
            Place("crm:imports:list", _("导入"), "arrow-up-tray", P.IMPORT_RUN, "d"),
            Place("crm:identity:list", _("身份冲突"), "finger-print", P.IDENTITY_RESOLVE),
            Place("crm:outreach:opt_outs", _("拒收营销"), "bell-slash", P.OPT_OUT),
            Place("crm:outbox:list", _("发送队列"), "paper-airplane", P.OUTBOX_VIEW, "o"),
            Place("crm:jobs:list", _("作业"), "clipboard-document-list", P.JOB_VIEW, "z"),
            Place("api-docs", _("接口文档"), "code-bracket", P.API_DOCS),
            Place("admin:index", _("配置"), "cog-6-tooth", P.CONFIGURE),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[tuple[str, list[Entry]]]:
    """Section titles with the entries that the request's user may open; empty ones left out."""
    shown = [(section.title, _doors(section, request.user)) for section in SECTIONS]
    current = _current(request.path, [url for _title, doors in shown for _place, url in doors])
    return [
        (str(title), [_entry(place, url, url == current) for place, url in doors])
        for title, doors in shown
        if doors
    ]


def _doors(section: Section, user) -> list[tuple[Place, str]]:
    urls = [(place, _url(place)) for place in section.places if user.can(place.permission)]
    return [(place, url) for place, url in urls if url]


def _url(place: Place) -> str:
    try:
        return reverse(place.url_name)
    except NoReverseMatch:
        return ""


def _entry(place: Place, url: str, is_current: bool) -> Entry:
    return Entry(
        label=str(place.label),
        icon=place.icon,
        url=url,
        key=place.key,
        is_current=is_current,
        in_bottom_bar=place.in_bottom_bar,
        words=_search_words(place),
    )


def _current(path: str, urls: list[str]) -> str | None:
    """The longest entry that ``path`` lies under; the root only when it is the path itself."""
    under = [url for url in urls if path == url or (url != "/" and path.startswith(url))]
    return max(under, key=len, default=None)


@lru_cache(maxsize=64)
def _search_words(place: Place) -> str:
    """What the palette matches: both languages, pinyin and initials of the Chinese name."""
    from pypinyin import Style, lazy_pinyin  # Heavy, see `crm.shared.text`.

    with override("zh-hans"):
        chinese = str(place.label)
    with override("en"):
        english = str(place.label)
    pinyin = "".join(lazy_pinyin(chinese))
    initials = "".join(lazy_pinyin(chinese, style=Style.FIRST_LETTER))
    return " ".join([chinese, english, pinyin, initials]).lower()
