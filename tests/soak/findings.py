"""What a soak came to: samples, verdicts and proof, as one object for JSON, and as text."""

import os
from collections import Counter
from dataclasses import asdict

import measures
import proof
from client import quantile
from verdict import judge

# Latency is shown by the minute, of a short soak by ten seconds.
MINUTE, SHORT = 60, 10
# Of the requests that were to be published, so many have to have been.
KEPT = 0.99


def of(soak, reports, limits):
    samples = soak.samples
    measures.fold_small(samples)
    add_latency(samples, reports.all())
    verdicts = [asdict(judge(measure, column(samples, "time"), column(samples, measure.name),
                             column(samples, measures.grown_with(measure.name))))
                for measure in measures.measures(samples, limits)]
    published = published_a_second(reports.all(), soak.began, soak.until)
    counts, wrong = proof.counted(soak.plant, soak.stretches)
    checked, complaints = proof.judged(soak.plant, soak.rate, soak.until)
    if published < KEPT * soak.rate:
        wrong.append(f"the client published {published:,.0f} requests a second in place of {soak.rate:,.0f}")
    return {
        "minutes": soak.args.minutes, "agent": soak.plant.agent, "retention": soak.args.retention, "cores": os.cpu_count(),
        "most": soak.most, "fits": soak.fits, "rate": soak.rate, "began": soak.began, "until": soak.until,
        "good": not wrong and not complaints and all(verdict["verdict"] != "FAILED" for verdict in verdicts),
        "verdicts": verdicts, "counts": counts, "wrong": wrong, "checked": checked, "complaints": complaints,
        "latency": latency(reports.all(), soak.began, soak.until), "samples": samples,
    }


def column(samples, name):
    return [sample[name] for sample in samples]


def published_a_second(lines, began, until):
    inside = [line for line in lines if began <= line["time"] <= until]
    first, last = inside[0], inside[-1]
    return (last["published"] - first["published"]) / (last["time"] - first["time"])


def took(lines, began, until):
    histogram = Counter()
    for line in lines:
        if began < line["time"] <= until:
            histogram.update({int(number): count for number, count in line["took"].items()})
    return histogram


def add_latency(samples, lines):
    """To each sample, of the time since the one before; where nothing was answered, as long as the oldest waits."""
    before = samples[0]["time"] - (samples[1]["time"] - samples[0]["time"])
    for sample in samples:
        found = took(lines, before, sample["time"])
        waits = next((line["oldest_ms"] for line in reversed(lines) if line["time"] <= sample["time"]), 0)
        sample["p50"], sample["p99"] = quantile(found, 0.5) or waits, quantile(found, 0.99) or waits
        before = sample["time"]


def latency(lines, began, until):
    width = MINUTE if until - began >= 15 * MINUTE else SHORT
    found = []
    for number in range(int((until - began) / width)):
        begin = began + number * width
        histogram = took(lines, begin, begin + width)
        found.append({"time": begin + width / 2, "p50": quantile(histogram, 0.5), "p99": quantile(histogram, 0.99),
                      "worst": quantile(histogram, 1)})
    return found


# As text

def text(found):
    lines = [load(found), "", f"{'measure':32} {'first half':>12} {'second half':>12} {'an hour':>22}  verdict"]
    lines += map(row, found["verdicts"])
    counts, checked = found["counts"], dict(found["checked"])
    by_kind = checked.pop("faults_by_kind")
    lines += ["", f"latency:      p50 {whole(found, 'p50')}, p99 {whole(found, 'p99')}, of "
              f"{'minutes' if found['minutes'] >= 15 else 'ten seconds'}, from when each request was due",
              f"counted:      {counts['confirmed']:,} requests accepted, {counts['answered']:,} answered once, "
              f"{counts['runs']:,} runs in the tables, {counts['completed']:,} completed",
              "checked:      the last workflows, whole: "
              + ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in checked.items()),
              "              " + ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in by_kind.items())]
    lines += [f"  {complaint}" for complaint in found["wrong"] + found["complaints"][:50]]
    tally = Counter(verdict["verdict"] for verdict in found["verdicts"])
    lines.append("verdicts:     " + ", ".join(f"{tally[name]} {name}" for name in ("flat", "explained", "FAILED")))
    return "\n".join(lines)


def load(found):
    said = f"{found['minutes']:g} minutes, {found['rate']:,.0f} requests a second"
    if found["most"]:
        said += f", {found['rate'] / found['most']:.0%} of the most that the calibration found ({found['most']:,.0f})"
        if found["rate"] < 0.5 * found["most"]:
            said += ", for the disk holds no more"
    return f"{said}; agent: {found['agent']}; topics kept for {found['retention']:.0f} s"


def row(verdict):
    unit = verdict["unit"]
    first, second, growth = (amount(verdict[name], unit) for name in ("first", "second", "growth"))
    change = f"{growth} ± {amount(verdict['uncertainty'], unit)}"
    said = verdict["verdict"]
    if verdict["per_workflow"] is not None:
        said += f": {verdict['per_workflow']:,.0f} {unit} a workflow, r² {verdict['r2']:.4f}"
    if verdict["why"]:
        bound = "" if verdict["bound"] is None else f" {amount(verdict['bound'], unit)}"
        said += f" ({verdict['why']}{bound})"
    return f"{verdict['name']:32} {first:>12} {second:>12} {change:>22}  {said}"


def amount(value, unit):
    if unit == "B":
        return f"{value / 1e6:,.1f} MB"
    return f"{value:,.1f} {unit}".strip() if abs(value) < 1_000 else f"{value:,.0f} {unit}".strip()


def whole(found, name):
    """The median over the time, and the worst."""
    values = sorted(point[name] for point in found["latency"] if point[name] is not None)
    return f"{values[len(values) // 2]:.0f} ms (worst {values[-1]:.0f})" if values else "none"
