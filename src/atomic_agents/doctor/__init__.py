"""What is wrong with an installation, and the literal command that mends it; nothing here writes."""
