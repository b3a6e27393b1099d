"""The table that a run prints: Markdown, in columns that line up on a terminal as well."""

import figures as figures_module


def _cell(row, column, figures, failures):
    """The median of a pair and, for all columns but native, how it compares."""
    value = figures.median(row.name, column.name)
    if value is None:
        return "failed" if (row.name, column.name) in failures else "-"
    text = figures_module.text(value, row.unit)
    slowdown = figures.slowdown(row.name, column.name)
    if column.name == "native" or slowdown is None:
        return text
    # Of a rate more is better: the share of native's.
    ratio = 1 / slowdown if row.unit in figures_module.RATES else slowdown
    return f"{text} ({ratio:.2f}x)"


def verdict(row, columns, figures):
    """Whether the row's aim is met by the column that the aims are for: True, False, or None where
    there is no aim or no figure."""
    judged = next((column for column in columns if column.judged), None)
    if row.aim is None or judged is None:
        return None
    return row.aim.met(figures, row.name, judged.name)


def _aim(row, columns, figures):
    if row.aim is None:
        return ""
    return row.aim.text + {True: ", met", False: ", missed", None: ""}[
        verdict(row, columns, figures)]


def table(rows, columns, figures, failures):
    """Returns the lines of the table."""
    head = ["", *(column.name for column in columns)]
    aims = any(row.aim for row in rows) and any(column.judged for column in columns)
    lines = [head + ["aim"] * aims]
    for row in rows:
        lines.append([row.what, *(_cell(row, column, figures, failures) for column in columns)]
                     + [_aim(row, columns, figures)] * aims)
    widths = [max(map(len, cells)) for cells in zip(*lines)]
    lines.insert(1, ["---".ljust(width, "-") for width in widths])
    return ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
            for line in lines]


def summary(rows, columns, figures):
    """One line: how many aims were met, in which column; nothing where there are none."""
    verdicts = [v for v in (verdict(row, columns, figures) for row in rows) if v is not None]
    if not verdicts:
        return ""
    name = next(column.name for column in columns if column.judged)
    return f"aims met by {name}: {sum(verdicts)} of {len(verdicts)}"
