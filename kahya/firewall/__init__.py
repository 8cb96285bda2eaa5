"""The firewall policy of a town: what it says, what it means on each gateway."""
