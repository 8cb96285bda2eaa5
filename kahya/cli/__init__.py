"""The command line: parse, print, exit codes. The only package that prints or exits."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from kahya import console
from kahya.cli import common
from kahya.cli.parser import language, parser
from kahya.errors import KahyaError
from kahya.i18n import _, set_language


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that ``arguments`` (default: those of the process) ask for, and exit."""
    # A stop by a timer or a service ends like any other: nothing private stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    words = list(sys.argv[1:] if arguments is None else arguments)
    set_language(language(words))  # before the parser is made: its help is translated too
    try:
        args = parser().parse_args(words)
    except SystemExit as usage:  # argparse would end with 2, which means "changes" here
        sys.exit(common.ERROR if usage.code else common.OK)
    try:
        code = args.command(args)
    except KahyaError as error:
        console.error(error)
        code = common.ERROR
    except KeyboardInterrupt:
        console.error(KahyaError(_("Stopped."), _("kahya status tells what was done until then.")))
        code = 130
    sys.exit(code)
