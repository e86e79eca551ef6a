"""The product album (商品图册) that agents show in chats."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.calls.base import Calls, at_most, some
from crm.wecom.errors import OverLimit
from crm.wecom.limits import limits
from crm.wecom.shelf_records import Product
from crm.wecom.words import no_longer_than, within


class ProductCalls(Calls):
    def products(self) -> Iterator[Product]:
        """The whole album."""
        rows = self._rows(methods.PRODUCTS, "product_list", {"limit": 100})
        return (Product.from_wire(row) for row in rows)

    def product(self, product_id: str) -> Product:
        wire = self._call(methods.PRODUCT, body={"product_id": product_id})["product"]
        return Product.from_wire({"product_id": product_id, **wire})

    def create_product(self, product: Product) -> str:
        """Put a product into the album; state-checkable with ``products()``."""
        _check(product)
        return str(self._call(methods.CREATE_PRODUCT, body=product.to_wire())["product_id"])

    def update_product(self, product_id: str, product: Product) -> None:
        """Set all fields. Repeatable."""
        _check(product)
        body = {"product_id": product_id, **product.to_wire()}
        self._call(methods.UPDATE_PRODUCT, body=body)

    def delete_product(self, product_id: str) -> None:
        self._call(methods.DELETE_PRODUCT, body={"product_id": product_id})


def _check(product: Product) -> None:
    at_most(some(product.picture_ids), limits().album_pictures, _("图片"))
    no_longer_than(product.description, limits().album_description_ch, _("描述"))
    within(product.number, limits().album_number_bytes, _("商品编号"))
    if not 0 <= product.price_cents <= limits().album_price_cents:
        most = limits().album_price_cents // 100
        raise OverLimit(_("价格须在 0 到 %(most)s 元之间") % {"most": most})
