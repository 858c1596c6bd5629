"""The HTTP door: agents and what is known of them as JSON, and as models of the OpenAI API."""
