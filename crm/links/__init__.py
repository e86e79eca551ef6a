"""Short links (短链接) of our own: how often, when and by how many a link was opened.

What surprises: a link goes where it was made to go and nowhere else, nothing of the request is ever
taken for a target; and visitors are counted without knowing them, by a hash that is good for one
day and one link.
"""
