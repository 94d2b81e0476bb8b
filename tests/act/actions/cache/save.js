// Run by the stand-in of node: `save` in stand_in.py.
