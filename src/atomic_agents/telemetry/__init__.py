"""Runs that have ended, as OpenTelemetry traces; an adapter that knows only the words."""
