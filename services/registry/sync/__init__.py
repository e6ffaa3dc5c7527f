"""Tablets that work without a network: operations applied exactly once, and what changed since they last asked."""
