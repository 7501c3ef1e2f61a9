"""What the chassis costs, in ratios to named baselines that run beside it: `uv run nox -s bench`."""
