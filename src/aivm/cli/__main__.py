"""`python -m aivm.cli`: the command line without its console script."""

from aivm.cli.main import main

main()
