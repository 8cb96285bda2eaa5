"""A NAPALM driver for FRRouting."""

from napalm_frr.frr import FRRDriver

__all__ = ["FRRDriver"]
