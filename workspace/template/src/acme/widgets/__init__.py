"""Widgets: each belongs to who made it, and is there for nobody else."""
