"""The hub's own adapters for the kit: on a folder, in SQLite, against an HTTP stand-in, a topic in memory.

`hub adapters check NAME` runs them; the tests run them on other places and databases too.
"""
