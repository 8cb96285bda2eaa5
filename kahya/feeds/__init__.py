"""Block lists from outside: read, checked, and kept as snapshots that a plan can name.

A feed is text from somebody else. It becomes lists of domains, URLs and addresses (entries), is held
against what the town may never block (guard), and is kept under its digest (store). docs/filter.md.
"""
