"""A result as a thing: made of a command, stored with its tables, read back, vouched for."""
