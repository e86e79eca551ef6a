"""Words with names in them: ``你好 {客户|朋友}，我是 {员工}``.

Behind the bar stands what is said where the name is not known. A customer's name often is not: a
welcome goes out before anybody has asked WeCom who they are.
"""

import re

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.shared.errors import DomainError
from crm.wecom.limits import limits

CUSTOMER, AGENT = "customer", "agent"
_NAMES = {"客户": CUSTOMER, "customer": CUSTOMER, "员工": AGENT, "agent": AGENT}
_OTHERWISE = {CUSTOMER: gettext_lazy("您"), AGENT: gettext_lazy("您的顾问")}
_VARIABLE = re.compile(r"\{([^{}|]*)(?:\|([^{}]*))?\}")
SHOWN = 32  # Of a name; a nickname may be as long as it likes.


class BadWording(DomainError):
    """Text that could not be sent as it stands."""

    code = "bad_wording"


def check_wording(text: str) -> None:
    """Raise BadWording where a variable is unknown, a brace is left open or the text is long."""
    if not text.strip():
        raise BadWording(_("请填写欢迎语内容"), field="text")
    for found in _VARIABLE.finditer(text):
        if found[1].strip() not in _NAMES:
            raise BadWording(
                _("没有变量“%(name)s”，可用 {客户|备用称呼} 和 {员工|备用称呼}")
                % {"name": found[1].strip()[:32]},
                field="text",
            )
    if re.search(r"[{}]", _VARIABLE.sub("", text)):
        raise BadWording(_("花括号没有成对，请写成 {客户|朋友}"), field="text")
    most, longest = limits().message_bytes, len(say(text).encode())
    if longest > most:
        raise BadWording(
            _("内容最多 %(most)s 字节，现有 %(longest)s 字节") % {"most": most, "longest": longest},
            field="text",
        )


def say(text: str, *, customer: str = "", agent: str = "") -> str:
    """The text with names in place; where that becomes too long, with the words for strangers."""
    said = _say(text, {CUSTOMER: customer[:SHOWN], AGENT: agent[:SHOWN]})
    if (customer or agent) and len(said.encode()) > limits().message_bytes:
        return _say(text, {CUSTOMER: "", AGENT: ""})
    return said


def _say(text: str, names: dict[str, str]) -> str:
    def word(found: re.Match) -> str:
        role = _NAMES.get(found[1].strip())
        if role is None:
            return found[0]
        spare = found[2] if found[2] is not None else str(_OTHERWISE[role])
        return names[role] or spare.strip()

    return _VARIABLE.sub(word, text)
