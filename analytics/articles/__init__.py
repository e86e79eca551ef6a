"""Articles (图文效果): opened, read, pressed and ordered, by article, place and position.

What surprises: openings are not people, so their rates are rates of openings. Orders are told only
of people for whom an address was made; for everybody else there is a ceiling and never a number.
"""
