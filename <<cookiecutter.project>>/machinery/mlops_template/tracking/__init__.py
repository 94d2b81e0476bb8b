"""MLflow: runs, versions and aliases, filled from git and the pipeline's outputs."""
