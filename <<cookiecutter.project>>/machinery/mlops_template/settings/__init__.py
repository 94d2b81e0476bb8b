"""What is set in `params.yaml` and `pyproject.toml`, and where things lie."""
