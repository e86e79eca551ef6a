"""Table of contents for Django admin: one import per domain that is configured there."""

import analytics.rfm.admin

__all__ = ["analytics"]
