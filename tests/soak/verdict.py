"""Whether a measure stayed as it was, and if it did not, whether it is known why.

- **flat**: over the second half of the time it grows by no more an hour than is tolerated, a share of its mean and an
  allowance (in a second half shorter than half an hour, by no more than would be tolerated in half an hour), and its mean
  is under a limit, where there is one. The growth is a line through the means of ten stretches; what is judged is the
  lower bound of its confidence interval (95 %, one-sided errors of 2.5 %), so that noise alone does not fail, and a short
  run can say little.
- **explained**: it is known to grow by a constant for each workflow that ended (`linear`), and does: a line through all
  samples fits, and is no steeper in the second half than in the first (r² and by how much: `Measure`). Or it is known to
  stay under a limit that somebody has set (`ceiling`), and does.
- **FAILED**: anything else.
"""

from dataclasses import dataclass

STRETCHES = 10
# Of Student's distribution with STRETCHES - 2 degrees of freedom: 97.5 %.
STUDENT = 2.306
HALF_AN_HOUR = 1_800.0
# Files grow by pages and more at once: a line through less than this, in bytes, would be one through those steps.
LITTLE = 16 << 20


@dataclass
class Measure:
    """What is judged, and how. `tolerance` is a share of the mean and `allowance` a number in its unit, both an hour."""

    name: str
    unit: str
    tolerance: float = 0.1
    allowance: float = 0.0
    # Of the mean of the second half.
    limit: float | None = None
    # Grows with the workflows that have ended, for a reason.
    linear: bool = False
    # The least r², and how much steeper the second half may be than the first.
    fits: float = 0.99
    steeper: float = 1.1
    # Stays under this, for a reason.
    ceiling: float | None = None
    because: str = ""


@dataclass
class Verdict:
    name: str
    unit: str
    first: float
    second: float
    # An hour, in the second half, and the half width of its confidence interval.
    growth: float
    uncertainty: float
    verdict: str
    why: str
    # What `why` is about, where it has failed; in the unit.
    bound: float | None = None
    per_workflow: float | None = None
    r2: float | None = None


def judge(measure, times, values, ended):
    """`times` in seconds, ascending; `ended`: how many workflows had ended at each, for whoever grows with them."""
    middle = next(number for number, time in enumerate(times) if time >= (times[0] + times[-1]) / 2)
    first, second = mean(values[:middle]), mean(values[middle:])
    growth, uncertainty = growth_of(times[middle:], values[middle:])
    said = Verdict(measure.name, measure.unit, first, second, growth, uncertainty, "flat", "")
    if measure.linear:
        linear(measure, said, ended, values, middle)
        said.why = f"{said.why}; {measure.because}".strip("; ")
        return said
    if measure.limit is not None and second > measure.limit:
        said.verdict, said.why, said.bound = "FAILED", "the limit of its mean is", measure.limit
        return said
    bound = measure.tolerance * abs(second) + measure.allowance
    bound *= max(1.0, HALF_AN_HOUR / (times[-1] - times[middle]))
    if growth - uncertainty <= bound:
        if growth + uncertainty > bound:
            said.why = "as far as so short or so noisy a time can tell"
        return said
    if measure.ceiling is not None and max(values) <= measure.ceiling:
        said.verdict, said.why = "explained", measure.because
    else:
        said.verdict, said.why, said.bound = "FAILED", "tolerated an hour is", bound
    return said


def linear(measure, said, ended, values, middle):
    said.per_workflow, said.r2 = line(ended, values)
    before, after = line(ended[:middle], values[:middle])[0], line(ended[middle:], values[middle:])[0]
    said.verdict = "explained"
    if max(values) - min(values) < LITTLE:
        said.why = "too little to say how it grows"
    elif said.r2 < measure.fits:
        said.verdict, said.why = "FAILED", "does not grow with the workflows alone"
    elif after > measure.steeper * before:
        said.verdict, said.why = "FAILED", f"grows ever faster: {before:.0f}, then {after:.0f} a workflow"


def growth_of(times, values):
    """An hour, and the half width of its confidence interval."""
    points = []
    length = (times[-1] - times[0]) / STRETCHES
    for number in range(STRETCHES):
        begin = times[0] + number * length
        inside = [value for time, value in zip(times, values) if begin <= time <= begin + length]
        if inside:
            points.append((begin + length / 2, mean(inside)))
    if len(points) < STRETCHES:
        raise SystemExit("too few samples for a verdict: soak for longer")
    xs, ys = zip(*points)
    slope, _ = line(xs, ys)
    middle, height = mean(xs), mean(ys)
    rest = sum((y - height - slope * (x - middle)) ** 2 for x, y in points)
    spread = sum((x - middle) ** 2 for x in xs)
    error = (rest / (STRETCHES - 2) / spread) ** 0.5
    return slope * 3_600, STUDENT * error * 3_600


def line(xs, ys):
    """Slope, and r², of the least squares."""
    middle, height = mean(xs), mean(ys)
    spread = sum((x - middle) ** 2 for x in xs)
    total = sum((y - height) ** 2 for y in ys)
    product = sum((x - middle) * (y - height) for x, y in zip(xs, ys))
    if not spread or not total:
        return 0.0, 1.0
    return product / spread, product * product / (spread * total)


def mean(values):
    return sum(values) / len(values)
