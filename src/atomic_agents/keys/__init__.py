"""Adapters: the places where keys are kept: environment, the system's keyring, a file, a command. Know only core."""
