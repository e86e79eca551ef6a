"""Table of contents for Django: one line per package that has tables."""

import analytics.funnels.models
import analytics.replies.models
import analytics.rfm.models
import analytics.segments.history
import analytics.segments.models
import analytics.standing.models

__all__ = ["analytics"]
