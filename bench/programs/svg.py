"""What the plots are drawn with: the style of each column, marks, a log scale, and the frame."""

import html
import math

WIDTH, LEFT, RIGHT = 960, 310, 60
# Colours that colour-blind readers can tell apart, each readable on white and on near-black; the
# shapes tell them apart once more.
STYLE = {
    "native": ("#888888", "bar"),
    "warren-untraced": ("#d55e00", "circle"),
    "warren-inject": ("#a34700", "dot"),
    "warren-ptrace": ("#e69f00", "ring"),
    "kernel": ("#009e73", "diamond"),
    "bwrap": ("#56b48c", "turned"),
    "proot": ("#3b8ed8", "square"),
    "strace": ("#b070c0", "triangle"),
    "runsc": ("#c0507a", "cross"),
    "dmtcp": ("#8a7a50", "plus"),
}
CSS = """
  text { font: 13px system-ui, sans-serif; fill: #222; }
  .title { font-size: 17px; font-weight: 600; }
  .small { font-size: 11px; fill: #666; }
  .grid { stroke: #ddd; } .one { stroke: #888; stroke-dasharray: 4 3; }
  .aim { stroke: #d55e00; stroke-width: 3; stroke-opacity: .45; }
  .band { fill: #00000008; } .paper { fill: #fff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd; } .small { fill: #999; }
    .grid { stroke: #333; } .one { stroke: #888; }
    .band { fill: #ffffff0a; } .paper { fill: #16181c; }
  }
"""
# Corners in units of the mark's size.
_POLYGONS = {
    "bar": [(-1.1, -0.35), (1.1, -0.35), (1.1, 0.35), (-1.1, 0.35)],
    "square": [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    "diamond": [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)],
    "triangle": [(0, -1.15), (1.15, 0.95), (-1.15, 0.95)],
    "turned": [(0, 1.15), (1.15, -0.95), (-1.15, -0.95)],
}

escape = html.escape


def marker(shape, x, y, colour, size=6.0):
    """One data point as SVG."""
    if shape in ("circle", "dot", "ring"):
        fill, edge = ("none", 2.5) if shape == "ring" else (colour, 0)
        radius = size / 2 if shape == "dot" else size
        return (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="{colour}" '
                f'stroke-width="{edge}"/>')
    if shape in ("cross", "plus"):
        turn = ' transform="rotate(45 {:.1f} {:.1f})"'.format(x, y) if shape == "cross" else ""
        return (f'<path d="M{x - size:.1f} {y:.1f}h{2 * size}M{x:.1f} {y - size:.1f}v{2 * size}" '
                f'stroke="{colour}" stroke-width="3"{turn}/>')
    points = " ".join(f"{x + dx * size:.1f},{y + dy * size:.1f}" for dx, dy in _POLYGONS[shape])
    return f'<polygon points="{points}" fill="{colour}"/>'


class LogScale:
    """From values between `low` and `high` to coordinates between `begin` and `end`."""

    def __init__(self, low, high, begin, end):
        self.low, self.high, self.begin, self.end = low, high, begin, end

    def __call__(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self):
        """The round numbers in it."""
        step = (1, 2, 5) if math.log10(self.high / self.low) < 3 else (1,)
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        values = [s * 10.0 ** power for power in powers for s in step]
        return [v for v in values if self.low <= v <= self.high]


def document(title, body, height):
    """The whole file around the lines of `body`."""
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>", f"<style>{CSS}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>', *body, "</svg>", ""])
