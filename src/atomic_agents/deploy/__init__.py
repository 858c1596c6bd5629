"""The machine's own ways to start agents: launchd, systemd, cron."""
