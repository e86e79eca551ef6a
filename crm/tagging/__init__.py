"""Tagging (打标签): what people here want of corp tags, carried to WeCom by set semantics.

A tag hangs on the relation of one agent with one customer. ``TagEdit`` holds, per relation and tag,
the last wish; everything else on the relation is left as WeCom has it. What surprises: a dispatcher
does not send the wish that queued its item but whatever is wished when it calls, and whoever finds
that a newer wish was overtaken by an older call asks for one more. So the last word wins, however
many people edit at once. What relations carry *here* changes only once WeCom has said yes.
"""
