from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AnalyticsConfig(AppConfig):
    name = "analytics"
    label = "analytics"
    verbose_name = _("分析")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models exist only from here on. Figures are not imported: whoever serves pages reads their
        # addresses, and a worker or a command should not pay for numba.
        from analytics.rfm import freezing, sorting
        from analytics.segments import sorts
        from analytics.standing.actions import seed_rule
        from analytics.standing.health import report

        post_migrate.connect(seed_rule, sender=self)
        self.registered = (freezing, sorting, sorts)
        report()
