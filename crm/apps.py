from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    name = "crm"
    label = "crm"
    verbose_name = _("客户经营")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from crm.timeline.actions import sync_catalogue  # models exist only from here on

        post_migrate.connect(sync_catalogue, sender=self)
