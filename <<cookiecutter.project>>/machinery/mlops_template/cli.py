"""Where every command begins and ends: also Ctrl-C while Python still loads the rest is one line, not a traceback."""

import signal
import sys
from typing import NoReturn

INTERRUPTED = 130
"""What a shell and Typer end with where Ctrl-C was pressed."""


def main() -> None:
    """Run a command."""
    try:
        from .commands.app import main

        main()
    except KeyboardInterrupt:
        end()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            end()
        raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends anyway


def end() -> NoReturn:
    """Say what an interrupted command is worth."""
    print("interrupted: the command can be repeated", file=sys.stderr)
    sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
