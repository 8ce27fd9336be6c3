"""What was decided, when, why, and on what evidence? Questions to the ledger."""
