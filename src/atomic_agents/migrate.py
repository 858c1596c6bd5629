"""`python -m atomic_agents.migrate` is `atomic-agents migrate`, under the name that the upgrading guide gives."""

from atomic_agents.cli.main import main
from atomic_agents.cli.upkeep import migrate_command

if __name__ == "__main__":
    main(command=migrate_command, name="python -m atomic_agents.migrate")
