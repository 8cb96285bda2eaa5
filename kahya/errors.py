"""One tree of errors. Each says what is wrong and, in ``hint``, what to do next."""


class KahyaError(Exception):
    """Base of all errors that a user may see.

    Args:
        message: what is wrong, naming file, line, host or key.
        hint: what to do next, one sentence; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InventoryError(KahyaError):
    """The inventory cannot be read or is not valid."""


class PlanError(KahyaError):
    """A plan cannot be made, read or trusted."""


class CheckoutError(KahyaError):
    """The checkout's history can't give what is asked of it."""


class BackupError(KahyaError):
    """The repository of the devices' backups can't be read or written."""


class EngineError(KahyaError):
    """An engine (Ansible, pyinfra, NAPALM) could not be run at all."""


class JournalError(KahyaError):
    """The journal can't be read or written."""


class LockError(KahyaError):
    """The town is locked, or a lock is no longer one's own."""


class FeedError(KahyaError):
    """A feed of block lists can't be had, or is refused; or lists of the store can't be read."""
