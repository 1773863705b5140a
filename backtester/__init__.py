"""Stress tester for perpetual-futures portfolios."""

__version__ = "0.1.0"
