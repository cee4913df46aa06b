"""Tables of what was measured: medians with the range over the rounds, and ratios that are taken
within each round, since the machine may change between two."""

import statistics

GOAL_CPU, GOAL_LIMIT, GOAL_P99 = 0.88, 1.1, 1.0
SERVERS = ("haproxy", "nginx")


def number(value):
    if value is None:
        return "-"
    for bound, digits in ((10000, 0), (1000, 0), (100, 1), (10, 2)):
        if abs(value) >= bound:
            return f"{value:.{digits}f}"
    return f"{value:.3f}"


def spread(values):
    return f"{number(statistics.median(values))} [{number(min(values))}..{number(max(values))}]"


def column(rounds, peer, key):
    """Values of a peer over the rounds in which it was measured."""
    return [one[peer][key] for one in rounds if peer in one and key in one[peer]]


def ratios(rounds, peer, others, key, better=min):
    """By round: the peer's value over the best of the others'."""
    found = []
    for one in rounds:
        values = [one[other][key] for other in others if other in one and key in one[other]]
        if peer in one and key in one[peer] and values and better(values) > 0:
            found.append(one[peer][key] / better(values))
    return found


def ratio_lines(rounds, peer):
    wanted = [("CPU, to the better server", SERVERS, "cpu_us", min, GOAL_CPU),
              ("CPU, to limit", ("limit",), "cpu_us", min, GOAL_LIMIT),
              ("p99, to the better server", SERVERS, "p99_us", min, GOAL_P99),
              ("rate, to the better server", SERVERS, "rate", max, None)]
    lines = []
    for title, others, key, better, goal in wanted:
        found = ratios(rounds, peer, [name for name in others if name != peer], key, better)
        if not found:
            continue
        line = f"    {peer}: {title + ':':28} {spread(found)}"
        if goal is not None and peer == "cencd":
            met = statistics.median(found) <= goal
            line += f"  goal {goal}: {'met' if met else 'not met'}"
        lines.append(line)
    return lines


def cell_lines(cell, rounds, counted, peers):
    """rounds: by round {peer: measured}; counted: {peer: measured} of the counting round."""
    unit = cell.unit
    titles = (f"CPU us/{unit}", f"{unit}s/s", "p50 us", "p99 us", f"calls/{unit}",
              f"allocations/{unit}", "core busy")
    lines = [cell.name, "    " + " " * 8 + "".join(f"{title:>26}" for title in titles[:2]) +
             "".join(f"{title:>24}" for title in titles[2:4]) +
             "".join(f"{title:>20}" for title in titles[4:6]) + f"{titles[6]:>12}"]
    for peer in peers:
        if not column(rounds, peer, "cpu_us"):
            lines.append(f"    {peer:8} not measured")
            continue
        parts = [f"    {peer:8}"]
        for key, width in (("cpu_us", 26), ("rate", 26), ("p50_us", 24), ("p99_us", 24)):
            values = column(rounds, peer, key)
            parts.append(f"{spread(values) if values else '-':>{width}}")
        for key in ("system_calls", "allocations"):
            parts.append(f"{number(counted.get(peer, {}).get(key)):>20}")
        parts.append(f"{statistics.median(column(rounds, peer, 'busy')):>12.2f}")
        errors = sum(column(rounds, peer, "errors"))
        lines.append("".join(parts) + (f"  {errors} failed" if errors else ""))
    for peer in ("cencd", "limit"):
        if peer in peers:
            lines += ratio_lines(rounds, peer)
    return lines


def idle_lines(idle):
    lines = ["idle: user memory that each adds to the relay, bytes (cencd's link: with its device)",
             f"    {'':32}{'private, written':>18}{'resident':>12}{'connected in s':>16}"]
    for title, one in idle.items():
        lines.append(f"    {title:32}{one['private_dirty_each']:18.0f}{one['rss_each']:12.0f}"
                     f"{one['connected_s']:16.1f}")
    return lines


def text(run):
    """The whole report. run: what bench/relay collected."""
    lines = [f"{run['machine']}", f"{run['rounds_done']} rounds of {run['seconds']} s a cell; "
             "median [least..most] over the rounds; ratios are taken within a round"]
    lines += [f"    {name}: {version}" for name, version in run["versions"].items() if version]
    for cell in run["cells"]:
        measured = run["measured"].get(cell.name)
        if measured:
            lines += ["", *cell_lines(cell, measured, run["counted"].get(cell.name, {}),
                                      run["peers"])]
    if run["idle"]:
        lines += ["", *idle_lines(run["idle"])]
    if run["failures"]:
        lines += ["", "failures", *[f"    {failure}" for failure in run["failures"]]]
    return "\n".join(lines) + "\n"
