"""From raw lines to Markdown."""

import dataclasses

from bench.runner import median


@dataclasses.dataclass
class Bar:
    """One promise of DESIGN §6 and what came of it."""

    what: str
    bar: str
    seen: str
    met: bool | None  # None: not measured in this run


def unmeasured(what, bar):
    """A promise of which this run can say nothing."""
    return Bar(what, bar, "", None)


def ratio_bar(what, limit, found, ours, peer):
    """CPU per frame beside a peer's."""
    bar = f"<= {limit:.2f}x"
    if ours not in found or peer not in found:
        return unmeasured(what, bar)
    mine, its = found[ours]["cpu_ms_per_frame"], found[peer]["cpu_ms_per_frame"]
    return Bar(what, bar, f"{mine / its:.2f}x ({mine:.2f} ms to {its:.2f} ms)", mine / its <= limit)


class Figures(dict):
    """Medians of the numbers of one program's lines."""

    def __init__(self, lines):
        super().__init__()
        self.lines = lines
        for key in {key for line in lines for key in line}:
            values = [line[key] for line in lines if isinstance(line.get(key), (int, float))]
            if values:
                self[key] = median(values)

    def spread(self, key, digits=2):
        """The least and the greatest."""
        values = [line[key] for line in self.lines]
        return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def medians(lines):
    """Figures by program, in the order in which the programs first ran."""
    names = dict.fromkeys(line["program"] for line in lines)
    return {name: Figures([line for line in lines if line["program"] == name]) for name in names}


def ms(value):
    """Milliseconds as a table shows them."""
    return f"{value:.2f}"


def mib(kib):
    """KiB as MB of 2^20 bytes; empty for none."""
    return f"{kib / 1024:.0f}" if kib else ""


def markdown(title, note, head, rows):
    """One section with one table."""
    lines = [f"## {title}", "", note, "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def failures(failed):
    """What went wrong: (scenario, program, run, the error)."""
    if not failed:
        return ""
    lines = ["## Failed runs", "", "Who failed in one run is held to no bar, and none of its frames count.", ""]
    for scenario, program, run, error in failed:
        lines += [f"- {scenario}, {program}, run {run}:", "", *(f"      {line}" for line in error.splitlines()[:20]), ""]
    return "\n".join(lines)


def whole(about, sections, bars, failed, raw):
    """The report."""
    words = {True: "met", False: "**missed**", None: "not measured"}
    rows = [[bar.what, bar.bar, bar.seen, words[bar.met]] for bar in bars]
    head = markdown("Bars of DESIGN §6", "Ratios are those of this run.", ["work", "bar", "seen", ""], rows)
    facts = "; ".join(
        f"{key.replace('_', ' ')} {value[0] if isinstance(value, list) and value else value}"
        for key, value in about.items()
    )
    return "\n".join(["# Benchmarks", "", f"Raw lines: `{raw}`.", "", facts + ".", "", head, failures(failed), *sections])
