"""Opening a figure (打开数字): one way from any number to exactly the people behind it.

A page registers an opener under a name; the number's address carries the page's own question, so
that the list is counted again from the same words, within the viewer's scope. What surprises: the
panel, the file, the API answer and the saved audience all come from the one list that the opener
returns, so they cannot differ from one another.
"""
