"""`/_dev`: what only a developer on this machine may see; not even constructed anywhere else."""
