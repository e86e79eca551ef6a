"""Bases of all models: scoped access and time stamps."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class UnscopedAccess(RuntimeError):
    """Customer data was asked for without saying for whom; use ``objects.for_user(user)``."""


class ScopedManager(models.Manager):
    """The only door for views, forms and API: rows that a given user may see.

    The model's QuerySet decides in ``visible_to(user)``; the unscoped manager of the same model is
    called ``unsafe_all``, so that its use stands out in a review and in the architecture test.
    """

    def get_queryset(self) -> models.QuerySet:
        raise UnscopedAccess(f"{self.model.__name__}.objects: use for_user(user)")

    def for_user(self, user: Any) -> models.QuerySet:
        """Rows of this model within the scope of ``user``."""
        return self.model.unsafe_all.all().visible_to(user)


class TimeStamped(models.Model):
    """When the row was made and last changed by us (not by WeCom)."""

    created_at = models.DateTimeField(_("建立时间"), auto_now_add=True)
    updated_at = models.DateTimeField(_("更新时间"), auto_now=True)

    class Meta:
        abstract = True
