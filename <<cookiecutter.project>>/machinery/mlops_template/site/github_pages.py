"""Publish the site at GitHub Pages, from the artifact that a job before has uploaded."""

import os
import time

from ..errors import ProjectError
from ..integrations import actions, gh

TIMEOUT, PAUSE = 600, 5
"""Seconds."""


def publish(artifact: int) -> str:
    """Deploy the artifact, which holds `artifact.tar`, and wait until it is live; the output `address` is its URL.

    Needs `pages: write` and `id-token: write`. Source: GitHub's REST API, "Create a GitHub Pages deployment". Raises
    ProjectError where Pages are not enabled, the deployment fails, or it takes longer than ten minutes.
    """
    version = os.environ.get("GITHUB_SHA", "")
    with gh.required() as repository:
        try:
            made = repository.tell(
                "POST",
                "/pages/deployments",
                artifact_id=artifact,
                pages_build_version=version,
                oidc_token=actions.identity(),
            )
        except gh.GitHubError as refused:
            if refused.status != 404:
                raise
            raise ProjectError(
                "GitHub Pages are not enabled for workflows: "
                f"`gh api --method POST repos/{repository.name}/pages -f build_type=workflow`"
            ) from None
        end = time.monotonic() + TIMEOUT
        while (status := repository.get(f"/pages/deployments/{made['id']}")["status"]) != "succeed":
            if "fail" in status or status in ("deployment_cancelled", "deployment_lost", "deployment_attempt_error"):
                raise ProjectError(f"GitHub Pages did not take the site: {status}")
            if time.monotonic() > end:
                raise ProjectError(f"GitHub Pages did not have the site live within {TIMEOUT // 60} minutes: {status}")
            time.sleep(PAUSE)
    actions.output("address", made["page_url"])
    return f"published: {made['page_url']}"
