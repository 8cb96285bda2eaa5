"""kahya, and what befalls it at one moment: ``python`` this, MOMENT, COMMAND, kahya's arguments.

MOMENT   before|after KIND [NTH]   around an entry of the journal
         tells WORDS               when its progress line begins with WORDS
         confirms                  a router has committed, and was not told yet that it may stay
         clock HOURS               from the beginning on; the controller's clock is off by HOURS
COMMAND  kill                      kill -9 of this process: its children are left to the kernel
         power-off                 kill -9 of this process and all that it started, at once
         anything else             a shell command, to its end; nothing more happens at this moment

Ends with 99 where that moment never came: nothing would be proved.
"""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import wraps

from admin import descendants
from faults.harness import around

from kahya import cli, run, workflow
from kahya.engines.fleet import Fleet
from kahya.engines.napalm import NapalmEngine

NEVER = 99


def befall(command, due):
    """Return what makes ``command`` happen once, whoever asks for it; ``due`` is empty then."""

    def act():
        if not due:
            return
        due.clear()
        if command == "power-off":
            for number in descendants(os.getpid()):
                os.kill(int(number), signal.SIGKILL)
        if command in ("kill", "power-off"):
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # not reached
        subprocess.run(command, shell=True, check=True)

    return act


def watch(words, act):
    """Have ``act`` done when kahya's progress says ``words``."""
    original = Fleet.__init__

    @wraps(original)
    def made(self, town, engines, progress):
        def tell(*news):
            if " ".join(news).startswith(words):
                act()
            progress(*news)

        original(self, town, engines, tell)

    Fleet.__init__ = made


def before_confirming(act):
    """Have ``act`` done when a router has committed."""
    original = NapalmEngine._confirm

    @wraps(original)
    def confirm(*arguments, **options):
        act()
        return original(*arguments, **options)

    NapalmEngine._confirm = confirm


def main():
    """Do what the command line says."""
    moment, command, *arguments = sys.argv[1:]
    kind, _, rest = moment.partition(" ")
    due = [command]
    act = befall(command, due)
    run.PATIENCE_SECONDS = int(os.environ.get("PATIENCE", run.PATIENCE_SECONDS))
    if kind == "tells":
        watch(rest, act)
    elif kind == "confirms":
        before_confirming(act)
    elif kind == "clock":
        workflow._now = lambda: datetime.now(UTC) + timedelta(hours=int(rest))
    elif re.fullmatch("before|after", kind):
        around(moment, act)
    else:
        sys.exit(f"no such moment: {moment}")
    try:
        code = cli.main(arguments)
    except SystemExit as end:
        code = end.code
    sys.exit(NEVER if due and kind != "clock" else code)


if __name__ == "__main__":
    main()
