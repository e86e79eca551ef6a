"""Names of the value layers."""

from django.utils.translation import gettext_lazy as _

LAYER_LABELS = {
    "111": _("重要价值"),
    "011": _("重要保持"),
    "101": _("重要发展"),
    "001": _("重要挽留"),
    "110": _("一般价值"),
    "010": _("一般保持"),
    "100": _("一般发展"),
    "000": _("一般挽留"),
    "none": _("窗口内未付款"),
}
"""All layers, best first."""
