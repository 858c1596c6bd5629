"""What model servers really send, as a table: each row states the bytes and what is right to make of them.

A quirk that is met in the wild is a new row here, and the contract suite then holds every adapter to it.
"""

from atomic_agents.testing.provider_corpus import calls, errors, others, texts, usages
from atomic_agents.testing.provider_corpus.row import Expected, Failure, Row, Sent

__all__ = ["ROWS", "Expected", "Failure", "Row", "Sent"]

ROWS: tuple[Row, ...] = (*usages.ROWS, *errors.ROWS, *texts.ROWS, *calls.ROWS, *others.ROWS)
