"""`python -m farzi`."""

from farzi.cli import main

main()
