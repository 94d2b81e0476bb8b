"""What the questions in `cookiecutter.json` can ask of the machine."""

import sys

from jinja2 import Environment
from jinja2.ext import Extension

SUPPORTED = ((3, 11), (3, 14))
"""The oldest and the newest Python a generated project runs on."""


def running_python() -> str:
    """The Python that runs cookiecutter, so that nothing need be downloaded; 3.13 where it is unsupported."""
    oldest, newest = SUPPORTED
    running = sys.version_info[:2]
    return "{}.{}".format(*running) if oldest <= running <= newest else "3.13"


class RunningPython(Extension):
    """Gives `running_python()` to the defaults of the questions."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals["running_python"] = running_python
