"""The access log of the gateways (law 5651): read, verified and searched."""
