"""What `integration/run` adds to pytest: a second try for what failed, the time per suite, the table of attacks."""
