from django.contrib.admin.apps import AdminConfig


class ChangkeAdminConfig(AdminConfig):
    """Django's own admin, for configuration only, opened by the role admin."""

    default_site = "config.admin_site.ChangkeAdminSite"
