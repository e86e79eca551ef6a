from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    name = "crm"
    label = "crm"
    verbose_name = _("客户经营")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models exist only from here on. Importing the handlers tells the outbox of them.
        from crm.acquisition import handlers as acquisition
        from crm.customers.columns import add_source
        from crm.fields.columns import FieldColumns
        from crm.handover import group_handlers
        from crm.handover import handlers as handover
        from crm.members.queries import TierColumn
        from crm.moments import handlers as moments
        from crm.outbox.rules import seed_rules
        from crm.outreach import handlers as outreach
        from crm.outreach import reminder_handlers as reminders
        from crm.outreach.rules import seed_rules as seed_send_rules
        from crm.personas.queries import PersonaColumn
        from crm.tagging import corp_tag_handlers as corp_tags
        from crm.tagging import handlers as tagging
        from crm.timeline.actions import sync_catalogue

        rooms = (acquisition, group_handlers, handover, moments, outreach, reminders)
        rooms += (tagging, corp_tags)
        self.outbox_handlers = rooms
        add_source(FieldColumns())
        add_source(PersonaColumn())
        add_source(TierColumn())
        post_migrate.connect(sync_catalogue, sender=self)
        post_migrate.connect(seed_rules, sender=self)
        post_migrate.connect(seed_send_rules, sender=self)
