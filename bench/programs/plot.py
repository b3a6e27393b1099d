"""Draws the ratios to native as an SVG: one row a workload, one dot a column, on a log scale on
which native is the line at 1."""

import html
import math

WIDTH, LEFT, RIGHT, ROW, TOP = 960, 310, 60, 30, 96
# Colours that colour-blind readers can tell apart, each readable on white and on near-black; the
# shapes tell them apart once more.
STYLE = {
    "warren": ("#d55e00", "circle"),
    "kernel": ("#009e73", "diamond"),
    "proot": ("#3b8ed8", "square"),
    "strace": ("#b070c0", "triangle"),
}
CSS = """
  text { font: 13px system-ui, sans-serif; fill: #222; }
  .title { font-size: 17px; font-weight: 600; }
  .small { font-size: 11px; fill: #666; }
  .grid { stroke: #ddd; } .one { stroke: #888; stroke-dasharray: 4 3; }
  .band { fill: #00000008; } .paper { fill: #fff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd; } .small { fill: #999; }
    .grid { stroke: #333; } .one { stroke: #888; }
    .band { fill: #ffffff0a; } .paper { fill: #16181c; }
  }
"""


def marker(shape, x, y, colour, size=6.0):
    """One data point as SVG."""
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{colour}"/>'
    if shape == "square":
        side = size * 1.7
        return (f'<rect x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" '
                f'height="{side:.1f}" fill="{colour}"/>')
    corners = {
        "diamond": [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)],
        "triangle": [(0, -1.15), (1.15, 0.95), (-1.15, 0.95)],
    }[shape]
    points = " ".join(f"{x + dx * size:.1f},{y + dy * size:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}"/>'


def ticks(low, high):
    """The round numbers of a log scale from `low` to `high`."""
    step = (1, 2, 5) if math.log10(high / low) < 3 else (1,)
    values = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        values += [s * 10.0 ** power for s in step]
    return [v for v in values if low <= v <= high]


def legend(columns):
    """The line of names under the title."""
    out, x = [], LEFT
    for column in columns:
        colour, shape = STYLE[column]
        out.append(marker(shape, x, 62, colour))
        out.append(f'<text x="{x + 12}" y="66">{html.escape(column)}</text>')
        x += 36 + 8 * len(column)
    return out


def rows_svg(rows, columns, scale):
    """The dots: rows are (label, {column: ratio})."""
    out = []
    for i, (label, ratios) in enumerate(rows):
        y = TOP + i * ROW + ROW / 2
        if i % 2 == 0:
            out.append(f'<rect class="band" x="0" y="{y - ROW / 2}" width="{WIDTH}" '
                       f'height="{ROW}"/>')
        out.append(f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">'
                   f'{html.escape(label)}</text>')
        # warren is drawn last, so that nothing covers it.
        for column in sorted(ratios, key=lambda c: (c == "warren", columns.index(c))):
            colour, shape = STYLE[column]
            title = html.escape(f"{label}: {column} {ratios[column]:.2f}x native")
            out.append(f"<g><title>{title}</title>"
                       f"{marker(shape, scale(ratios[column]), y, colour)}</g>")
    return out


def draw(rows, columns, title, subtitle):
    """Returns the whole SVG text. `rows` is a list of (label, {column: ratio to native})."""
    values = [r for _, ratios in rows for r in ratios.values()] + [1.0]
    low, high = min(values) / 1.3, max(max(values) * 1.3, 2.0)

    def scale(value):
        share = math.log(value / low) / math.log(high / low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    bottom = TOP + ROW * len(rows)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 44}" '
           f'role="img">', f"<title>{html.escape(title)}</title>", f"<style>{CSS}</style>",
           f'<rect class="paper" width="{WIDTH}" height="{bottom + 44}"/>',
           f'<text class="title" x="20" y="28">{html.escape(title)}</text>',
           f'<text class="small" x="20" y="46">{html.escape(subtitle)}</text>']
    out += legend(columns)
    for tick in ticks(low, high):
        x, kind = scale(tick), "one" if tick == 1 else "grid"
        out.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" '
                   f'y2="{bottom}"/>')
        label = "native" if tick == 1 else f"{tick:g}x"
        out.append(f'<text class="small" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">'
                   f"{label}</text>")
    out += rows_svg(rows, columns, scale)
    out.append(f'<text class="small" x="{WIDTH - RIGHT}" y="{bottom + 34}" text-anchor="end">'
               "time, as a ratio to native; log scale; left is faster</text>")
    return "\n".join(out + ["</svg>", ""])
