"""The search for every method's settings: draws, the ledger of trials, the choice."""
