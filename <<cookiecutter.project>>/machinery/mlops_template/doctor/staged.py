"""What is about to be committed: whether it holds a secret, and whether settings are part of it."""

import re
from collections.abc import Iterator

from ..errors import ProjectError
from ..integrations.git import git, git_or_none

SETTINGS = ("params.yaml", "contract.yaml", "src")
"""What `check` has to look at again where it changes."""

KINDS = (
    "ArtifactoryDetector",
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "DiscordBotTokenDetector",
    "GitHubTokenDetector",
    "JwtTokenDetector",
    "MailchimpDetector",
    "NpmDetector",
    "SendGridDetector",
    "SlackDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TwilioKeyDetector",
)
"""Detectors of secrets with a form of their own. Those that go by entropy or a word such as `key` see too many."""

PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
"""The library finds one of several lines only in files on the disk."""

ALLOWED = "pragma: allowlist secret"
"""What it takes at the end of a line for its author's word."""

MAX_NAMED = 5


def settings_are_staged() -> bool:
    """Whether the commit changes settings, or code that they name."""
    return git_or_none("diff", "--cached", "--quiet", "--", *SETTINGS) is None


def refuse_secrets() -> None:
    """Raise ProjectError that names file and line where a line that is added looks like a secret.

    Says so, and refuses nothing, where the library that finds them is not installed.
    """
    try:
        from detect_secrets.core.scan import scan_diff
        from detect_secrets.settings import get_settings, transient_settings
    except ImportError:
        print("this commit was not searched for secrets: `uv sync` brings detect-secrets")
        return
    options = (
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--cached",
        "--unified=0",
        "--no-color",
        "--no-ext-diff",
        "--diff-filter=d",
    )
    diff = git("-c", "core.quotePath=off", "diff", *options, "--", ".", ":(exclude)machinery") + "\n"
    found = list(private_keys(diff))
    with transient_settings({"plugins_used": [{"name": name} for name in KINDS]}):
        get_settings().disable_filters("detect_secrets.filters.common.is_invalid_file")  # looks at the disk
        seen = [one for one in scan_diff(diff) if not one.is_removed]
        found += [f"{one.filename}:{one.line_number} ({one.type})" for one in seen]
    if found:
        places = list(dict.fromkeys(found))
        more = f" and {len(places) - MAX_NAMED} more" if len(places) > MAX_NAMED else ""
        raise ProjectError(
            f"what looks like a secret would be committed: {', '.join(places[:MAX_NAMED])}{more}. Take it from an "
            "environment variable, in workflows from `gh secret set`; where it is none, end the line with the comment "
            f"`{ALLOWED}`, or commit with --no-verify"
        )


def private_keys(diff: str) -> Iterator[str]:
    """Where a private key begins in an added line."""
    from unidiff.patch import PatchSet

    for file in PatchSet(diff):
        added = (line for hunk in file for line in hunk if line.is_added)
        for line in added:
            if PRIVATE_KEY.search(line.value) and ALLOWED not in line.value:
                yield f"{file.path}:{line.target_line_no} (Private Key)"
