"""`python -m gateway`: the same as the console script."""

from gateway.command import main

main()
