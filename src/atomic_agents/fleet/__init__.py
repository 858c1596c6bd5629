"""What agents do without a person at the door: their schedules, and the workers that drive them."""
