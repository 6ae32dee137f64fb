"""Chaos: runs a user's pipeline under load, strikes its workers at random moments, and accounts for everything."""
