from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from analytics.events.compiling import load_on_first_request


class AnalyticsConfig(AppConfig):
    name = "analytics"
    label = "analytics"
    verbose_name = _("分析")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models exist only from here on. Importing them lets their figures be opened.
        from analytics.assets import figures as assets
        from analytics.funnels import figures as funnels
        from analytics.paths import figures as paths
        from analytics.pool import figures as pool
        from analytics.results import figures as results
        from analytics.results import post_figures as posts
        from analytics.retention import figures as retention
        from analytics.rfm import figures as rfm
        from analytics.rfm import freezing, sorting
        from analytics.risk import figures as risk
        from analytics.segments import figures as segments
        from analytics.segments import sorts
        from analytics.standing import figures as standing
        from analytics.standing.actions import seed_rule
        from analytics.standing.health import report
        from analytics.transitions import figures as transitions

        post_migrate.connect(seed_rule, sender=self)
        self.figures = (
            freezing,
            sorting,
            sorts,
            assets,
            funnels,
            paths,
            pool,
            posts,
            results,
            retention,
            rfm,
            risk,
            segments,
            standing,
            transitions,
        )
        report()
        load_on_first_request()
