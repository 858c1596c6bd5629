"""A run: pure states and one runner that performs their effects."""
