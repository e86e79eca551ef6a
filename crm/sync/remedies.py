"""What a person can do about an error of the sync, in words."""

from django.utils.translation import gettext_lazy as _

_RIGHTS = _("在企业微信后台把本应用加入“客户联系 → 可调用接口的应用”，并检查应用权限")
_SCOPE = _("在企业微信后台扩大应用的可见范围，让它看得到这些员工")
_SECRET = _("请管理员核对企业编号与应用密钥")
_WAIT = _("不用处理，系统会自动重试")

REMEDIES = {
    "-1": _WAIT,
    "6000": _WAIT,
    "45009": _("调用太频繁，企业微信暂时拒绝；系统会自动放慢并重试"),
    "45033": _("同时调用太多；系统会自动放慢并重试"),
    "40001": _SECRET,
    "40013": _SECRET,
    "40091": _SECRET,
    "48001": _RIGHTS,
    "48002": _RIGHTS,
    "48003": _RIGHTS,
    "60011": _SCOPE,
    "50002": _SCOPE,
    "60020": _("在企业微信后台的“企业可信 IP”中加入本服务器的出口地址"),
    "81017": _("在企业微信后台缩小应用的可见范围，或联系管理员"),
    "84074": _("在企业微信后台给这些员工开通客户联系权限"),
    "not_reachable": _("请检查服务器的网络与企业微信地址；恢复后会自动继续"),
    "outcome_unknown": _WAIT,
    "interrupted": _("上次读取太久没有完成，已重新开始；若反复出现请联系管理员"),
    "nothing_listed": _("在企业微信后台检查应用的可见范围是否为空"),
}


def remedy_for(token: str) -> str:
    """What to do about a stored error; "" where there is none."""
    if not token:
        return ""
    return str(REMEDIES.get(token, _("请联系管理员，并附上错误内容和时间")))
