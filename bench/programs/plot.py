"""Draws a run as an SVG: the slowdown of every row on a log scale on which native is the line at 1,
and below it how forks a second grow with the number of guests that fork."""

import curve
from svg import LEFT, RIGHT, STYLE, WIDTH, LogScale, document, escape, marker

ROW, TOP = 30, 96


def legend(columns):
    """The line of names under the title."""
    out, x = [], 26
    for column in columns:
        colour, shape = STYLE[column]
        out.append(marker(shape, x, 66, colour))
        out.append(f'<text x="{x + 12}" y="70">{escape(column)}</text>')
        x += 36 + 8 * len(column)
    return out


def aim_mark(x, y):
    """The limit that warren has set itself in a row: a bar beneath the points."""
    return f'<line class="aim" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 11:.1f}" y2="{y + 11:.1f}"/>'


def row_svg(row, number, columns, figures, scale):
    """The label and the points of one row."""
    y = TOP + number * ROW + ROW / 2
    out = []
    if number % 2 == 0:
        out.append(f'<rect class="band" x="0" y="{y - ROW / 2}" width="{WIDTH}" height="{ROW}"/>')
    out.append(f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(row.what)}</text>')
    if row.aim and (limit := row.aim.slowdown(figures, row.name)):
        out.append(aim_mark(scale(limit), y))
    # warren is drawn last, so that nothing covers it.
    for column in sorted(columns, key=lambda c: c.judged * 2 + c.ours):
        slowdown = figures.slowdown(row.name, column.name)
        if slowdown is None:
            continue
        colour, shape = STYLE[column.name]
        title = escape(f"{row.what}: {column.name} {slowdown:.2f}x native")
        out.append(f"<g><title>{title}</title>{marker(shape, scale(slowdown), y, colour)}</g>")
    return out


def slowdowns(rows, columns, figures):
    """The upper part; returns (lines of SVG, the y at which it ends)."""
    values = [v for row in rows for c in columns if (v := figures.slowdown(row.name, c.name))]
    values += [v for row in rows if row.aim and (v := row.aim.slowdown(figures, row.name))]
    scale = LogScale(min(values + [1.0]) / 1.3, max(values + [1.5]) * 1.3, LEFT, WIDTH - RIGHT)
    bottom = TOP + ROW * len(rows)
    out = []
    for tick in scale.ticks():
        x, kind = scale(tick), "one" if tick == 1 else "grid"
        out.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" '
                   f'y2="{bottom}"/>')
        label = "native" if tick == 1 else f"{tick:g}x"
        out.append(f'<text class="small" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">'
                   f"{label}</text>")
    for number, row in enumerate(rows):
        out += row_svg(row, number, columns, figures, scale)
    out.append(f'<text class="small" x="{WIDTH - RIGHT}" y="{bottom + 34}" text-anchor="end">'
               "time, as a ratio to native; log scale; left is faster; the bar is warren's aim"
               "</text>")
    return out, bottom + 44


def draw(rows, columns, figures, title, subtitle):
    """Returns the whole SVG text."""
    body = [f'<text class="title" x="20" y="28">{escape(title)}</text>',
            f'<text class="small" x="20" y="46">{escape(subtitle)}</text>',
            *legend([column.name for column in columns])]
    others = [column for column in columns if column.name != "native"]
    height = TOP
    plotted = [row for row in rows if row.plotted
               and any(figures.slowdown(row.name, column.name) for column in others)]
    if plotted:
        lines, height = slowdowns(plotted, others, figures)
        body += lines
    lines, height = curve.draw(columns, figures, height)
    return document(title, body + lines, height)
