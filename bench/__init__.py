"""Measures Stream Hub beside what people would use in its place. `make bench` starts it."""
