"""memory redact: what changes in everything that is kept of an agent, and what has to stay."""
