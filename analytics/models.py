"""Table of contents for Django: one line per package that has tables."""

from analytics.segments.models import (
    Segment,
    SegmentBits,
    SegmentDay,
    SegmentDirty,
    SegmentIndex,
    SegmentVersion,
    SegmentWord,
)

__all__ = [
    "Segment",
    "SegmentBits",
    "SegmentDay",
    "SegmentDirty",
    "SegmentIndex",
    "SegmentVersion",
    "SegmentWord",
]
