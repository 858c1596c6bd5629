"""What documents mean: layout, agents, personas, settings, notes, logs."""
