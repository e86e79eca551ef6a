"""What can be asked of WeCom, one file per part of its interface; ``Client`` is their sum.

A method takes and gives our words; paths and field names of the wire stay in here. Each one names
its endpoint in ``crm.wecom.methods``, where its class (repeatable or not) is declared.
"""
