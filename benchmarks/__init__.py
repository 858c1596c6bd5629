"""What the program costs in time and memory, beside another implementation of the format; `python -m benchmarks`."""
