"""The evidence: what is so at one moment, as pages that an auditor and a mayor can read."""

from kahya.report.events import Event
from kahya.report.page import Network, write

__all__ = ["Event", "Network", "write"]
