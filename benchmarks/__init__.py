"""What we claim about speed, measured beside what a user would pick instead."""
