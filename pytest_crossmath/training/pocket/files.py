"""Names of the files that a run leaves beside its checkpoint."""

STATE_FILE = "training-state.pt"
"""Everything that `--resume` needs."""
LOG_FILE = "training-log.jsonl"
"""One line every few steps."""
FIGURES_FILE = "training-figures.json"
"""What the finished checkpoint solves."""
