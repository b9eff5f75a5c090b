"""Throughput over time as SVG, with what was done to whom."""

from html import escape

WIDTH, HEIGHT, LEFT, TOP, LANE = 1_200, 260, 80, 40, 18
COLOURS = {
    "kill -9": "#c0392b", "SIGSTOP": "#8e44ad", "network cut": "#d35400", "network delay": "#e67e22",
    "rebalance storm": "#16a085", "broker restart": "#2c3e50", "broker kill -9": "#000000",
    "Postgres restart": "#2980b9",
}
STYLE = """text { font: 11px sans-serif; fill: #333 } .title { font-size: 14px; font-weight: bold }
.grid { stroke: #ddd } .rate { fill: none; stroke: #27ae60; stroke-width: 1.2 }"""


def draw(per_second, faults, began, title):
    """`per_second`: how many nodes were completed in each second since `began`."""
    seconds, most = max(len(per_second), 1), max(max(per_second, default=1), 1)
    victims = sorted({fault.victim or fault.kind.split(" ")[0] for fault in faults})
    bottom = TOP + HEIGHT

    def x(second):
        return LEFT + second / seconds * (WIDTH - LEFT - 20)

    lines = [f'<text x="{LEFT}" y="18" class="title">{escape(title)}</text>']
    for share in (0, 0.5, 1):
        y = bottom - share * HEIGHT
        lines.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y}" y2="{y}" class="grid"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{round(share * most)}</text>')
    lines.append(f'<text x="{LEFT}" y="{TOP - 8}">completed nodes a second</text>')
    heights = [bottom - count / most * HEIGHT for count in per_second]
    points = " ".join(f"{x(second + 0.5):.1f},{y:.1f}" for second, y in enumerate(heights))
    lines.append(f'<polyline points="{points}" class="rate"/>')
    for number, victim in enumerate(victims):
        y = bottom + 30 + number * LANE
        lines.append(f'<text x="{LEFT - 8}" y="{y + 9}" text-anchor="end">{escape(victim)}</text>')
        for fault in faults:
            if (fault.victim or fault.kind.split(" ")[0]) == victim:
                start, end = fault.began - began, max(fault.ended or fault.began, fault.began) - began
                width = max(x(end) - x(start), 2)
                lines.append(f'<rect x="{x(start):.1f}" y="{y}" width="{width:.1f}" height="12" '
                             f'fill="{COLOURS[fault.kind]}"><title>{escape(fault.kind)} at {start:.1f} s</title></rect>')
    y = bottom + 30 + len(victims) * LANE
    for minute in range(0, seconds + 1, 60):
        lines.append(f'<text x="{x(minute)}" y="{bottom + 16}" text-anchor="middle">{minute // 60} min</text>')
    for number, (kind, colour) in enumerate(COLOURS.items()):
        lines.append(f'<rect x="{LEFT + number * 136}" y="{y + 10}" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{LEFT + number * 136 + 16}" y="{y + 20}">{escape(kind)}</text>')
    body = "\n".join(lines)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 36}">\n<style>{STYLE}</style>\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')
