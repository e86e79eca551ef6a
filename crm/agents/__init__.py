"""Agents (员工), departments and the people who sign in; who may do what.

An Agent is a WeCom member, a User is a login; most users have an agent. Roles, permissions and the
policy of every URL are answered in ``access.py`` and nowhere else.
"""
