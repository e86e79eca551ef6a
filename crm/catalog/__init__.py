"""Orders (订单) and routes (线路): what customers buy and what there is to buy.

Both come from outside, by file or API. An order row is its latest state; what happened to it is in
the facts (order_paid, order_refunded …).
"""
