"""The outside tools: git, DVC, GitHub, and how other programs are started."""
