"""Stand-ins for switches that NAPALM's own drivers talk to; see README.md."""
