"""The tables of bench/northbound: medians with the range over the rounds; ratios are taken within a
round."""

from storm_table import column, number, ratios, spread

GOALS = {"C": 200000, "grpcio": 50000}
GOAL_P99_MS = 5
DRAINS = ("C", "grpcio", "xreadgroup", "mosquitto")
LIVES = ("live, memory", "live, disk")


def drains(rounds):
    lines = ["| consumer | events/s | server's CPU, us | consumer's CPU, us | system calls |",
             "| --- | --- | --- | --- | --- |"]
    for cell in DRAINS:
        if column(rounds, cell, "rate"):
            fields = [spread(column(rounds, cell, key))
                      for key in ("rate", "cpu_us", "client_us", "calls")]
            lines.append(f"| {cell} | " + " | ".join(fields) + " |")
    return lines


def lives(rounds):
    keys = ("p50_ms", "p99_ms", "p999_ms", "commit_p50_ms", "commit_p99_ms", "cpu_us")
    lines = ["| cell | p50 ms | p99 ms | p99.9 ms | commit p50 | commit p99 | server's CPU, us |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for cell in LIVES:
        if column(rounds, cell, "p99_ms"):
            fields = [spread(column(rounds, cell, key)) for key in keys]
            lines.append(f"| {cell} | " + " | ".join(fields) + " |")
    return lines


def goals(rounds):
    lines = []
    for cell, goal in GOALS.items():
        values = column(rounds, cell, "rate")
        if values:
            lines.append(f"{cell}: {spread(values)} events/s; goal {number(goal)}")
    for cell in ("C", "grpcio"):
        for other in ("xreadgroup", "mosquitto"):
            values = ratios(rounds, cell, other)
            if values:
                lines.append(f"{cell} / {other}: {spread(values)}")
    for cell in LIVES:
        values = column(rounds, cell, "p99_ms")
        if values:
            lines.append(f"{cell}, sent to received, p99: {spread(values)} ms; goal {GOAL_P99_MS} "
                         "from commit to received")
    return lines


def idle(found):
    calls = ""
    if found["calls"] is not None and found["calls_alone"] is not None:
        calls = f", {found['calls']:.1f} system calls a second ({found['calls_alone']:.1f} without)"
    return [f"{found['consumers']} idle consumers, {found['seconds']} s: {found['cpu']:.2%} of a core "
            f"({found['cpu_alone']:.2%} without them){calls}, {found['bytes_each']:,.0f} bytes each"]


def text(results):
    rounds = results["rounds"]
    lines = [results["machine"], f"{results['version']}; {results['events']} events, "
             f"{len(rounds)} rounds", ""]
    lines += drains(rounds) + [""] + lives(rounds) + [""] + goals(rounds)
    if results["idle"]:
        lines += idle(results["idle"])
    lines += [f"FAILED: {failure}" for failure in results["failures"]]
    return "\n".join(lines) + "\n"
