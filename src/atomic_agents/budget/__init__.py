"""Money: what a request costs, what may be spent, what was."""
