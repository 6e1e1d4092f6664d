"""Tests of the health programme."""
