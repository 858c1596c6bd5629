"""The dashboard: what needs the operator, agents, runs, money and memory as pages, live or as files."""
