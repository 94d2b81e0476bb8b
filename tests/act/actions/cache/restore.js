// Run by the stand-in of node: `restore` in stand_in.py.
