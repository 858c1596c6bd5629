"""Ways to language models: each module is one provider, and all of them know only the words of `core`."""
