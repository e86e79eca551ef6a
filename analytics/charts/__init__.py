"""What several pages of figures share in showing a number: rates and how sure they are.

It knows no database and no request; the charts themselves stand beside their pages.
"""
