"""The verbs: what every door calls."""
