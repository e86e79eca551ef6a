"""What we know of customers and what we do for them.

Every sub-package is a domain with its own models, actions and views; the files directly in this
folder are tables of contents for Django and Celery. Import from the domain, not from here.
"""
