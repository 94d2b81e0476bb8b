"""The outside tools: git, DVC, GitHub, subprocesses."""
