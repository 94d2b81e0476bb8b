"""`python -m mlops_template.serving`: serve the model of MODEL_DIR, with the settings that the environment has."""

import sys

from ..errors import ProjectError
from .environment import from_environment
from .run import run

if __name__ == "__main__":
    try:
        run(from_environment())
    except ProjectError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
