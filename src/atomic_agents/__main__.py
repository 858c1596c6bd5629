"""`python -m atomic_agents` is the command `atomic-agents`."""

from atomic_agents.cli.main import main

if __name__ == "__main__":
    main()
