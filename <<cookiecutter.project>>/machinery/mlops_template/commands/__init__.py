"""The commands: what each takes, which module it calls and what it says. `cli.py` puts them in order.

Libraries are imported by the command that needs them, so that `--help` is instant.
"""
