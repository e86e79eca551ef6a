"""WeCom's limits that we keep ourselves, so that an operator hears of them before the call.

The platform changes them often; ``WECOM_LIMITS`` (``name=number,…``) overrides any of them. Sizes
are bytes, ``_ch`` counts characters.
"""

from dataclasses import dataclass, fields
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """One number per rule; the sections are those of the platform's documentation."""

    # Calls of one method by one corporation, and pauses it asks for.
    calls_per_minute: int = 10_000
    calls_per_hour: int = 150_000
    moments_per_minute: int = 10
    single_consents_per_minute: int = 2500
    room_consents_per_minute: int = 1500
    # Ids in one call.
    members_per_call: int = 100
    mass_customers: int = 10_000
    mass_groups: int = 2000
    transfer_customers: int = 100
    transfer_groups: int = 100
    moment_senders: int = 100_000
    # Customers of one member; WeCom extends it on request.
    member_customers: int = 5000
    way_members: int = 100
    link_members: int = 500
    join_way_groups: int = 5
    app_message_members: int = 1000
    consents_per_call: int = 100
    rule_words: int = 300
    rule_range: int = 1000
    album_pictures: int = 9
    # Words.
    message_bytes: int = 4000
    attachments: int = 9
    link_title_bytes: int = 128
    link_description_bytes: int = 512
    link_url_bytes: int = 2048
    program_title_bytes: int = 64
    moment_text_ch: int = 2000
    moment_images: int = 9
    moment_link_title_bytes: int = 64
    remark_ch: int = 20
    description_ch: int = 150
    transfer_message_ch: int = 200
    state_ch: int = 30
    way_remark_ch: int = 30
    link_name_ch: int = 30
    room_name_ch: int = 40
    tag_name_ch: int = 30
    rule_name_ch: int = 20
    rule_word_ch: int = 32
    album_description_ch: int = 300
    album_price_cents: int = 5_000_000
    album_number_bytes: int = 128
    # Files.
    file_least_bytes: int = 6
    image_bytes: int = 10 * MEGABYTE
    voice_bytes: int = 2 * MEGABYTE
    video_bytes: int = 10 * MEGABYTE
    file_bytes: int = 20 * MEGABYTE
    picture_bytes: int = 2 * MEGABYTE
    attachment_bytes: int = 10 * MEGABYTE
    image_long_side: int = 10_800
    image_short_side: int = 1080
    image_pixels: int = 1_555_200
    video_seconds: int = 30


def limits() -> Limits:
    """The limits in force."""
    return _limits(tuple(sorted(settings.WECOM_LIMITS.items())))


@lru_cache(maxsize=8)
def _limits(overrides: tuple[tuple[str, int], ...]) -> Limits:
    known = {field.name for field in fields(Limits)}
    unknown = sorted({name for name, _ in overrides} - known)
    if unknown:
        raise ImproperlyConfigured(f"WECOM_LIMITS: unknown names: {', '.join(unknown)}")
    return Limits(**dict(overrides))
