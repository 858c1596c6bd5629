"""The steps that come with the package, one module a version."""
