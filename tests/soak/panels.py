"""A soak as a picture: small panels with one time axis, each with an axis of its own and a legend."""

from html import escape

COLUMNS, WIDTH, HEIGHT = 2, 470, 130
LEFT, TOP, GAP_X, GAP_Y, HEAD = 62, 46, 90, 66, 30
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")
STYLE = """text { font: 11px sans-serif; fill: #333 } .title { font-size: 15px; font-weight: bold }
.name { font-size: 12px; font-weight: bold } .small { font-size: 10px } .grid { stroke: #ddd } .axis { stroke: #999 }
.line { fill: none; stroke-width: 1.3 }"""
# So many points a line are enough for the eye; each is a mean.
POINTS = 180
MB = 1e6
# Axes end at one of these, in hundredths of a power of ten: a quarter of it is a round number, too.
ROUND = (10, 12, 16, 20, 24, 32, 40, 48, 60, 80, 100)
# What takes less of the disk would be a line on the axis.
SEEN = MB


class Panel:
    """`lines`: by name, points of (minutes, value)."""

    def __init__(self, name, unit, lines):
        self.name, self.unit = name, unit
        self.lines = {name: points for name, points in lines.items() if points}


def draw(found):
    panels = [panel for panel in all_panels(found) if panel.lines]
    minutes = (found["until"] - found["began"]) / 60
    rows = -(-len(panels) // COLUMNS)
    width = LEFT + COLUMNS * WIDTH + (COLUMNS - 1) * GAP_X + 20
    height = TOP + rows * (HEIGHT + GAP_Y) + 10
    title = (f"{found['minutes']:g} minutes at {found['rate']:,.0f} workflows of 4 nodes a second, "
             f"{found['cores']} cores, agent: {found['agent']}"
             + (f", {found['rate'] / found['most']:.0%} of the maximum" if found["most"] else ""))
    parts = [f'<text x="{LEFT}" y="22" class="title">{escape(title)}</text>']
    for number, panel in enumerate(panels):
        x = LEFT + number % COLUMNS * (WIDTH + GAP_X)
        y = TOP + number // COLUMNS * (HEIGHT + GAP_Y) + HEAD
        parts += panel_parts(panel, x, y, minutes)
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">\n<style>{STYLE}</style>\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')


def all_panels(found):
    samples, began = found["samples"], found["began"]

    def of(name, scale=1.0):
        return thinned([((sample["time"] - began) / 60, sample[name] / scale) for sample in samples if name in sample])

    def each(kind, names, scale=1.0):
        return {name: of(f"{kind}/{name}", scale) for name in names}

    def rates(names, scale=1.0):
        return {label: thinned(rate(samples, name, began, scale)) for label, name in names.items()}

    def latency(name):
        return [((point["time"] - began) / 60, point[name]) for point in found["latency"] if point[name] is not None]

    def largest(kind, is_flat):
        verdicts = [verdict for verdict in found["verdicts"] if verdict["name"].startswith(kind)
                    and (verdict["per_workflow"] is None) == is_flat and verdict["second"] >= SEEN]
        verdicts.sort(key=lambda verdict: -verdict["second"])
        return {verdict["name"].partition("/")[2]: of(verdict["name"], MB) for verdict in verdicts[:6]}

    ours, services = ("engine", "projector", "worker"), ("broker", "postgres")
    return [
        Panel("Workflows that ended", "a second", rates({"ended": "ended"})),
        Panel("Time from when a request was due to its answer", "ms", {"p50": latency("p50"), "p99": latency("p99")}),
        Panel("Memory of our processes", "MB", each("memory", ours, MB)),
        Panel("Memory of the services", "MB", each("memory", services, MB)),
        Panel("Open files of our processes", "", each("fds", ours)),
        Panel("Open files of the services", "", each("fds", services)),
        Panel("Threads", "", each("threads", ours + ("broker",))),
        Panel("CPU", "cores", rates({name: f"cpu/{name}" for name in ours + services + ("client",)})),
        Panel("Journal not projected, and what recovery would read", "records",
              {"projector lag": of("lag/projector"), "recovery": of("recovery")}),
        Panel("Lag of the groups, by committed offsets", "records",
              {"engine on requests": of("lag/engine"), "worker on ready": of("lag/worker")}),
        Panel("Topics that are kept for a while, on the disk", "MB", largest("topic/", True)),
        Panel("Tables of which old rows are deleted", "MB", largest("table/", True)),
        Panel("Topics that are kept for ever, on the disk", "MB", largest("topic/", False)),
        Panel("Tables whose rows stay", "MB", largest("table/", False)),
        Panel("Write-ahead log of Postgres, on the disk", "MB", {"pg_wal": of("wal_bytes", MB)}),
        Panel("Write-ahead log of Postgres, written", "MB a second", rates({"written": "wal_written"}, MB)),
    ]


def rate(samples, name, began, scale):
    """How much more a second, between samples. A process that ended takes its seconds of CPU along."""
    found = []
    for before, after in zip(samples, samples[1:]):
        if name in before and name in after:
            seconds = after["time"] - before["time"]
            found.append(((after["time"] - began) / 60, max(after[name] - before[name], 0) / seconds / scale))
    return found


def thinned(points):
    size = -(-len(points) // POINTS) if points else 1
    groups = [points[number:number + size] for number in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def panel_parts(panel, left, top, minutes):
    most = nice(max(value for points in panel.lines.values() for _, value in points) or 1)
    bottom = top + HEIGHT
    unit = f" ({panel.unit})" if panel.unit else ""
    parts = [f'<text x="{left}" y="{top - 22}" class="name">{escape(panel.name + unit)}</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = bottom - share * HEIGHT
        parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        said = label(share * most)
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" class="small">{said}</text>')
    step = nice_step(minutes)
    for number in range(int(minutes / step + 0.001) + 1):
        x = left + number * step / minutes * WIDTH
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}" class="axis"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle" class="small">{number * step:g}'
                     f'{" min" if number == 0 else ""}</text>')
    x = left
    for (name, points), colour in zip(panel.lines.items(), COLOURS):
        path = " ".join(f"{left + min(max(at / minutes, 0), 1) * WIDTH:.1f},{bottom - value / most * HEIGHT:.1f}"
                        for at, value in points)
        parts.append(f'<polyline points="{path}" class="line" stroke="{colour}"/>')
        parts.append(f'<rect x="{x}" y="{top - 14}" width="10" height="3" fill="{colour}"/>')
        parts.append(f'<text x="{x + 13}" y="{top - 9}" class="small">{escape(name)}</text>')
        x += 24 + 5.6 * len(name)
    return parts


def nice(most):
    """The least round number that is not below."""
    power = 1.0
    while power < most:
        power *= 10
    return next(power * share / 100 for share in ROUND if power * share / 100 >= most)


def nice_step(minutes):
    return next((step for step in (0.5, 1, 2, 5, 10, 15, 30, 60) if minutes / step <= 8), 120)


def label(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
