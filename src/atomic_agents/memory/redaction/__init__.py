"""Takes words out of texts, and leaves everything that is not somebody's words as it is."""
