"""Block lists from outside: read, checked, and kept as snapshots that a plan can name.

A feed (sources) is text from somebody else. It becomes domains, URLs and addresses (entries), is
held against what the town may never block (guard), and becomes lists (build) that are kept under
their digests (store). See docs/filter.md.
"""
