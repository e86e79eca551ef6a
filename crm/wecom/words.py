"""How long words may be: WeCom counts bytes of UTF-8 in some places and characters in others."""

from django.utils.translation import gettext as _

from crm.wecom.errors import OverLimit


def within(text: str, octets: int, what: str) -> None:
    """Refuse what takes more bytes of UTF-8 than allowed (3 for a Chinese character)."""
    taken = len(text.encode(errors="surrogatepass"))
    if taken > octets:
        said = _("%(what)s最多 %(limit)s 字节，现有 %(given)s 字节（一个汉字占 3 字节）")
        raise OverLimit(said % {"what": what, "limit": octets, "given": taken})


def no_longer_than(text: str, characters: int, what: str) -> None:
    """Refuse what has more characters than allowed."""
    if len(text) > characters:
        said = _("%(what)s最多 %(limit)s 字，现有 %(given)s 字")
        raise OverLimit(said % {"what": what, "limit": characters, "given": len(text)})
