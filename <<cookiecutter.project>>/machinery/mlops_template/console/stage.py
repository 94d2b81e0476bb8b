"""How a stage of the pipeline ends: well, or with one line on the terminal."""

import sys
from collections.abc import Callable

from ..errors import ProjectError


def run_stage(function: Callable[[], None]) -> None:
    """Run a stage as a process: a ProjectError becomes one line on stderr and exit code 1."""
    try:
        function()
    except ProjectError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
