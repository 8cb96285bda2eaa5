"""Kâhya: the steward of a municipality's IT estate."""
