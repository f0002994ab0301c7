"""`python -m fovea`: the command line."""

from fovea.cli import main

main()
