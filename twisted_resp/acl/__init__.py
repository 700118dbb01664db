"""Access control: users, the rules that say what they may do, and the log of what they were refused.

Nothing here knows of clients, keys or how a command is declared: what rules need to know of commands is a
:class:`~twisted_resp.acl.catalogue.Catalogue`. https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
"""
