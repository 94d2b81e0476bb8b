"""The package of the project's owner, `src/<package>/`: its modules, what models carry of it, what stages depend on."""
