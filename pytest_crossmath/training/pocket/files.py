"""Names of the files that a run writes next to its checkpoint."""

STATE_FILE = "training-state.pt"
"""Everything that `--resume` needs."""
LOG_FILE = "training-log.jsonl"
"""One line every few steps."""
FIGURES_FILE = "training-figures.json"
"""How much the finished checkpoint solves."""
