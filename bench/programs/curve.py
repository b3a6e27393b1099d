"""Draws forks a second over the number of guests that fork at once: a line for each column."""

from svg import LEFT, RIGHT, STYLE, WIDTH, LogScale, escape, marker
from workloads import FORKING_GUESTS

HEIGHT, HEAD = 300, 44


def points(columns, figures):
    """{column name: [(guests, forks a second)]}, of columns in which they were measured."""
    found = {}
    for column in columns:
        line = [(count, rate) for count in FORKING_GUESTS
                if (rate := figures.median(f"forks_{count}", column.name))]
        if line:
            found[column.name] = line
    return found


def draw(columns, figures, top):
    """Draws from the y `top` downwards; returns (lines of SVG, the y at which it ends)."""
    lines = points(columns, figures)
    if not lines:
        return [], top
    bottom = top + HEAD + HEIGHT
    rates = [rate for line in lines.values() for _, rate in line]
    across = LogScale(FORKING_GUESTS[0] / 1.1, FORKING_GUESTS[-1] * 1.1, LEFT, WIDTH - RIGHT)
    up = LogScale(min(rates) / 1.3, max(rates) * 1.3, bottom, top + HEAD)
    out = [f'<text class="title" x="20" y="{top + 26}">Forks a second of guests that fork at once'
           "</text>"]
    for tick in up.ticks():
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(tick):.1f}" '
                   f'y2="{up(tick):.1f}"/>')
        out.append(f'<text class="small" x="{LEFT - 10}" y="{up(tick) + 4:.1f}" '
                   f'text-anchor="end">{tick:,.0f}/s</text>')
    for count in FORKING_GUESTS:
        out.append(f'<text class="small" x="{across(count):.1f}" y="{bottom + 16}" '
                   f'text-anchor="middle">{count}</text>')
    out.append(f'<text class="small" x="{WIDTH - RIGHT}" y="{bottom + 34}" text-anchor="end">'
               "guests that fork at once; log scales; higher is faster</text>")
    for name, line in reversed(lines.items()):
        colour, shape = STYLE[name]
        path = " ".join(f"{across(count):.1f},{up(rate):.1f}" for count, rate in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for count, rate in line:
            title = escape(f"{name}: {rate:,.0f} forks a second with {count} guests")
            out.append(f"<g><title>{title}</title>"
                       f"{marker(shape, across(count), up(rate), colour, 5.0)}</g>")
    return out, bottom + 44
