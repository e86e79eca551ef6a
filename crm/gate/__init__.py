"""The gate's own rules (触达规则): who is left in peace, beyond what the platform asks.

Dated rules in Django admin, each for one channel: how often a customer or a group may be written
to, whether a customer has shown a need, whether their life stage wants quiet, whether they have
stopped answering, whether one more message would likely make them delete us (a row that crm/risk
keeps, above), and for how long somebody who was welcomed is not welcomed again.
What surprises: a rule is judged twice, when a send is planned and again when it goes out, because a
rule takes effect at its date and people go on living; and a cap is a row with a number, so that two
dispatchers cannot both take the last one. The gate knows no send: whoever asks names the relation
in which touches are counted (``TOUCHES`` in crm/outreach/gate.py).
"""
