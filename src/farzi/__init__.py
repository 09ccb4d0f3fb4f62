"""farzi."""
