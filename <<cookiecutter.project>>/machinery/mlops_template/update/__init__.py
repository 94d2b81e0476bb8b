"""A newer version of the template, merged into a project that its owner has changed meanwhile."""
