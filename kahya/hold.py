"""Holding a town: nobody else applies meanwhile, however long it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from kahya.errors import JournalError, LockError
from kahya.journal import Holder, Journal

SECONDS = 900
"""Then a lock is called expired; while its process lives it is renewed long before."""


@contextmanager
def hold(
    journal: Journal, town: str, person: str, plan: str, *, take_over: bool = False
) -> Iterator[Callable[[], object]]:
    """Keep all others from applying; yields what makes sure that the lock still is ours.

    Args:
        journal: where the lock is.
        town: its name.
        person: who holds it.
        plan: the id of the plan that it is for.
        take_over: also the lock of a process that surely is gone.

    Raises:
        LockError: somebody else holds it.
    """
    mine = Holder.here(person, plan)
    found = journal.holder_of(town) if take_over else None
    # Taken over is only what surely is gone: not a lock of a machine that can't be asked.
    if found and (found.holder.running or (found.holder.running is None and not found.expired)):
        raise found.refuse()
    journal.lock(town, mine, SECONDS, found.holder if found else None)

    def renew() -> object:
        return journal.renew(town, mine, SECONDS)

    done = Event()
    keeper = Thread(target=_keep, args=(renew, done), daemon=True)
    keeper.start()
    try:
        yield renew
    except BaseException:
        with suppress(JournalError):  # what went wrong matters more than the lock's remains
            journal.release(town, mine)
        raise
    finally:
        done.set()
        keeper.join()
    journal.release(town, mine)


def _keep(renew: Callable[[], object], done: Event) -> None:
    while not done.wait(SECONDS / 3):  # a wave may take longer than that
        with suppress(JournalError, LockError):  # whoever holds it asks anew before each wave
            renew()
