"""What every folder of tests shares: starting a fleet, connecting to it, waiting with a deadline.

No test lives here, and nothing that only one peer needs.
"""
