"""The three engines behind one contract (``base.Engine``)."""
