"""`python -m <package>.serving`: serve the model of MODEL_DIR, with the settings that the environment has."""

import sys

from ..errors import ProjectError
from .run import run
from .settings import from_environment

if __name__ == "__main__":
    try:
        run(from_environment())
    except ProjectError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
