"""`python -m atomic_agents.dashboard` is `atomic-agents dashboard`, under the name that the upgrading guide gives."""

from atomic_agents.cli.dashboard import dashboard_command
from atomic_agents.cli.main import main

if __name__ == "__main__":
    main(command=dashboard_command, name="python -m atomic_agents.dashboard")
