"""What a run says: ratios between subjects that were measured in turn, each with its target."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

# For each subject one value a round; round by round the subjects were measured beside each other.
Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be."""

    limit: float
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        """Whether the value is within the limit."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Comparison(ABC):
    """A subject beside its baseline, both by their names in the group."""

    name: str
    subject: str
    baseline: str
    target: Target | None = None

    def of(self, samples: Samples) -> list[float]:
        """The figure of each round: what slows the machine for a moment slows both."""
        return [self.between(*each) for each in zip(samples[self.subject], samples[self.baseline], strict=True)]

    @staticmethod
    @abstractmethod
    def between(mine: float, theirs: float) -> float:
        """The figure of one round."""


class Ratio(Comparison):
    """`subject / baseline`."""

    @staticmethod
    def between(mine: float, theirs: float) -> float:
        return mine / theirs


class Share(Comparison):
    """`subject / baseline` in requests a second, which are the inverse of what is measured."""

    @staticmethod
    def between(mine: float, theirs: float) -> float:
        return theirs / mine


class Difference(Comparison):
    """What a subject takes more than its baseline, in the group's unit."""

    @staticmethod
    def between(mine: float, theirs: float) -> float:
        return mine - theirs


@dataclass(frozen=True, slots=True)
class Amount:
    """A figure that stands alone, in the group's unit."""

    name: str
    subject: str
    target: Target | None = None
    baseline: str = ""

    def of(self, samples: Samples) -> list[float]:
        """The values of all rounds."""
        return list(samples[self.subject])


Figure = Comparison | Amount


@dataclass(frozen=True, slots=True)
class Control:
    """Two subjects that are the same thing: how far they are apart is how far any figure can be believed."""

    subject: str
    baseline: str
    deviation_max: float

    def deviation(self, samples: Samples) -> float:
        """How far the median of the rounds is from 1."""
        return abs(median(Ratio("control", self.subject, self.baseline).of(samples)) - 1)


@dataclass(frozen=True, slots=True)
class Group:
    """Subjects that are measured together, in one process of their own, and the figures they give."""

    title: str
    unit: str
    run: Callable[[], Samples]
    figures: Sequence[Figure]
    control: Control | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A figure with its value: the median of the rounds, and between which quartiles they lie."""

    figure: Figure
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Empty where nothing is asked for."""
        target = self.figure.target
        return "" if target is None else "yes" if target.is_met(self.value) else "**no**"


def results(group: Group, samples: Samples) -> list[Result]:
    """Every figure of the group whose subjects were measured."""
    found = []
    for figure in group.figures:
        if figure.subject in samples and (figure.baseline in samples or isinstance(figure, Amount)):
            rounds = figure.of(samples)
            low, _, high = quantiles(rounds, n=4) if len(rounds) > 1 else rounds * 3
            found.append(Result(figure, median(rounds), low, high))
    return found
