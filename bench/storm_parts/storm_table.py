"""The tables of a storm: medians with the range over the rounds; ratios are taken within a round.
CPU is told twice: until the last gasp is recorded, and until the directory's store has them, too."""

import statistics

GOAL_LIMIT = 0.6
GOAL_P99_MS = 20


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def spread(values):
    if not values:
        return "-"
    low, middle, high = min(values), statistics.median(values), max(values)
    if number(low) == number(high):
        return number(middle)
    return f"{number(middle)} ({number(low)} to {number(high)})"


def column(rounds, cell, key):
    return [one[cell][key] for one in rounds if cell in one and key in one[cell]]


def ratios(rounds, cell, other, key="rate"):
    return [one[cell][key] / one[other][key] for one in rounds
            if key in one.get(cell, {}) and one.get(other, {}).get(key, 0) > 0]


def row(title, rounds, cell):
    keys = ("rate", "recorded_cpu_us", "cpu_us", "calls", "p50_ms", "p99_ms", "group")
    fields = [spread(column(rounds, cell, key)) for key in keys]
    return f"| {title} | " + " | ".join(fields) + " |"


def rows(results):
    rounds = results["rounds"]
    lines = ["| cell | events/s | CPU us | with the store | system calls | p50 ms | p99 ms | events a sync |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for cell in results["cells"]:
        if column(rounds, cell, "rate"):
            lines.append(row(cell, rounds, cell))
    return lines


def goals(results):
    rounds = results["rounds"]
    lines = []
    for cell, other in (("udp", "limit"), ("udp", "xadd always"), ("udp", "xadd everysec"),
                        ("tcp", "limit tcp")):
        values = ratios(rounds, cell, other)
        if not values:
            continue
        goal = f"; goal {GOAL_LIMIT}" if (cell, other) == ("udp", "limit") else ""
        cpu = spread(ratios(rounds, cell, other, "recorded_cpu_us"))
        lines.append(f"{cell} / {other}: {spread(values)}{goal}; CPU a gasp {cpu}")
    values = column(rounds, "udp half", "p99_ms")
    if values:
        lines.append(f"p99 at half load: {spread(values)} ms; goal {GOAL_P99_MS}")
    return lines


def counts(results):
    """What the sums of all rounds say."""
    total = {"sent": 0, "received": 0, "overruns": 0, "dropped": 0, "committed": 0}
    for one in results["rounds"]:
        for cell in one.values():
            for key in total:
                total[key] += cell.get(key, 0)
    journal = results["journal"]
    return [f"cencd: sent {total['sent']}, received {total['received']}, lost by the socket "
            f"{total['overruns']} and before it {total['dropped']}, committed "
            f"{total['committed']}; in the journals {journal}"]


def text(results):
    lines = [f"{results['machine']}", f"{results['version']}; {results['count']} last gasps a cell, "
             f"{len(results['rounds'])} rounds", ""]
    lines += rows(results) + [""] + goals(results) + counts(results)
    lines += [f"directory: {name} {value:,.0f} {unit}" for name, value, unit in
              results["directory"]]
    lines += [f"FAILED: {failure}" for failure in results["failures"]]
    return "\n".join(lines) + "\n"
