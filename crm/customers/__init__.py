"""Customers (客户), their relations with agents (好友关系), tags and channels.

A customer may be a WeCom friend, somebody known only from orders, or both; they are one row as soon
as the union id or the company's member number says so. ``tag_ids`` on the customer is the union of
the corp tags of all relations: WeCom hangs tags on the relation, questions ask about the person.
"""
