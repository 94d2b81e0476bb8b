"""Keeps one issue from the first failure of newest.yml to its next success.

uv run --no-project scripts/newest.py RESULT RUN: `success` or not, and the address of the run. Needs gh, and GH_REPO.
"""

import subprocess
import sys

LABEL = "newest"
TITLE = "The tests fail with the newest dependencies"


def gh(*arguments: str) -> str:
    """What GitHub's command says."""
    return subprocess.run(["gh", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main(result: str, run: str) -> None:
    """Open, comment on or close it."""
    gh("label", "create", LABEL, "--force", "--description", "Broken by a release of a dependency")
    listed = ("--label", LABEL, "--state", "open", "--json", "number", "--jq", ".[].number")
    number = next(iter(gh("issue", "list", *listed).split()), None)
    if result == "success":
        if number:
            gh("issue", "close", number, "--comment", f"Over: {run}")
    elif number:
        gh("issue", "comment", number, "--body", f"Still so: {run}")
    else:
        body = f"The tests of main, which passed when it was pushed, fail: {run}"
        gh("issue", "create", "--label", LABEL, "--title", TITLE, "--body", body)


if __name__ == "__main__":
    main(*sys.argv[1:])
