"""What an agent knows: search, captures, life cycle."""
