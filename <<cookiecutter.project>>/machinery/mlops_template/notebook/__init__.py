"""The project in a notebook, and a notebook on its way into the project."""
