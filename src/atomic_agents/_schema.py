"""The schema version that this package writes."""

CURRENT_SCHEMA_VERSION = 2
