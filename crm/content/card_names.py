"""Names of a product card's variables. Texts for customers are Chinese, and so are these."""

DRIVE = "车程"
WALK = "步行"
ROOM = "房间"
PRODUCT = "产品"
PRICE = "价格"
