"""The figures of a run as Markdown: on a terminal, and in docs/performance.md between what people wrote."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from bench.figures import Amount, Difference, Group, Result, Samples, Share, results

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- nox -s bench -- --write: begin -->", "<!-- end -->"


def tables(groups: Sequence[Group], measured: Sequence[Samples | None]) -> str:
    """A table for each group, and the noise that it was measured in."""
    return "\n".join(line for group, samples in zip(groups, measured, strict=True) for line in _of(group, samples))


def too_noisy(groups: Sequence[Group], measured: Sequence[Samples | None]) -> list[str]:
    """The groups whose two equal subjects were too far apart."""
    return [
        group.title
        for group, samples in zip(groups, measured, strict=True)
        if samples and group.control and group.control.deviation(samples) > group.control.deviation_max
    ]


def write(table: str) -> None:
    """Puts the tables in their place on the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def _of(group: Group, samples: Samples | None) -> Iterator[str]:
    yield f"\n### {group.title}\n"
    if samples is None:
        yield "NOT MEASURED: it failed, as the lines above the tables say."
        return
    if group.control is not None:
        noise, most = group.control.deviation(samples), group.control.deviation_max
        yield f"Noise: one baseline, measured twice, differed by {noise:.1%}; above {most:.0%} it is **too noisy**.\n"
    yield f"| measure | subject and baseline | value | middle half of the rounds | target | met | {group.unit} |"
    yield "|---|---|---|---|---|---|---|"
    known = {id(result.figure): result for result in results(group, samples)}
    for figure in group.figures:
        result = known.get(id(figure))
        yield _row(result, samples) if result else f"| {figure.name} | | NOT MEASURED HERE | | {figure.target} | | |"


def _row(result: Result, samples: Samples) -> str:
    figure = result.figure
    sign = "less" if isinstance(figure, Difference) else "÷"
    divided = figure.subject if isinstance(figure, Amount) else f"{figure.subject} {sign} {figure.baseline}"
    if isinstance(figure, Share):
        divided += " (requests a second)"
    spread = f"{result.low:.2f} to {result.high:.2f}"
    amounts = "" if isinstance(figure, Amount) else " / ".join(_medians(result, samples))
    cells = [figure.name, divided, f"{result.value:.2f}", spread, str(figure.target or ""), result.verdict, amounts]
    return f"| {' | '.join(cells)} |"


def _medians(result: Result, samples: Samples) -> Iterator[str]:
    for name in (result.figure.subject, result.figure.baseline):
        yield f"{median(samples[name]):.0f}"
