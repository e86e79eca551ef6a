"""Fields of the company's own (自定义字段) on customers, each value with who said it and when.

What surprises: a value is checked by one function whatever brings it (form, API); and the kind of a
field changes only where every value that stands can be read as the new kind, so that nothing is
lost.
"""
