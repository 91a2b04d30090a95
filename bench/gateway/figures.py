"""Reads the machine's counters and makes the table."""
import pathlib
import random
import statistics

P99_LIMIT_US = 10_000


def cpu_times():
    return [int(value) for value in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]


def cpu_shares(before, after):
    spent = [b - a for a, b in zip(before, after)]
    total = sum(spent[:8]) or 1
    return {"idle": round(spent[3] / total, 3), "steal": round(spent[7] / total, 3)}


def interval(values):
    """The median and a bootstrap interval of 95 %."""
    picker = random.Random(1)
    medians = sorted(statistics.median(picker.choices(values, k=len(values))) for _ in range(1000))
    return statistics.median(values), medians[25], medians[974]


def shown(values, digits=1):
    values = [value for value in values if value is not None]
    if not values:
        return "–"
    middle, low, high = interval(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def of(report, case, contender, *keys):
    found = []
    for one in report["measurements"]:
        if (one["case"], one["contender"]) != (case, contender) or one["machine"]["steal"] > 0.02:
            continue
        value = one
        for key in keys:
            value = value.get(key) if value else None
        found.append(value)
    return found


def added(report, case, contender, *keys):
    """Each measurement minus the direct one of its round."""
    direct = {one["round"]: one for one in report["measurements"] if (one["case"], one["contender"]) == (case, "direct")}
    found = []
    for one in report["measurements"]:
        if (one["case"], one["contender"]) != (case, contender) or one["round"] not in direct or one["machine"]["steal"] > 0.02:
            continue
        value, base = one, direct[one["round"]]
        for key in keys:
            value, base = (value or {}).get(key), (base or {}).get(key)
        if value is not None and base is not None:
            found.append(value - base)
    return found


def best_rate(report, contender):
    """The highest median rate among the numbers of connections whose median p99 keeps the limit."""
    rates = []
    for case in {one["case"] for one in report["measurements"] if one["case"].startswith("plain")}:
        p99, rate = of(report, case, contender, "latency_us", "p99"), of(report, case, contender, "requests_per_second")
        if rate and statistics.median(p99) <= P99_LIMIT_US:
            rates.append(statistics.median(rate))
    return max(rates, default=None)


def table(report):
    names = [name for name in ("ours", "nginx", "portkey") if any(one["contender"] == name for one in report["measurements"])]
    busy = [case for case in {one["case"] for one in report["measurements"]} if case == "plain c=16"] or ["plain c=1"]
    rows = [
        ("added p50, c=1 (us)", lambda name: shown(added(report, "plain c=1", name, "latency_us", "p50"))),
        ("added p99, c=1 (us)", lambda name: shown(added(report, "plain c=1", name, "latency_us", "p99"))),
        ("CPU a request, c=1 (us)", lambda name: shown(of(report, "plain c=1", name, "cpu_us_per_request"))),
        (f"CPU a request, {busy[0][6:]} (us)", lambda name: shown(of(report, busy[0], name, "cpu_us_per_request"))),
        ("requests/s at p99 <= 10 ms", lambda name: f"{best_rate(report, name) or 0:.0f}"),
        ("CPU a piece, burst (us)", lambda name: shown(of(report, "burst c=1", name, "cpu_us_per_piece"), 2)),
        ("CPU a piece, paced c=32 (us)", lambda name: shown(of(report, "paced c=32", name, "cpu_us_per_piece"), 2)),
        ("added first piece p50, c=1 (us)", lambda name: shown(added(report, "short c=1", name, "first_us", "p50"))),
        ("added first piece p99, c=1 (us)", lambda name: shown(added(report, "short c=1", name, "first_us", "p99"))),
        ("added a piece p50, c=1 (us)", lambda name: shown(added(report, "paced c=1", name, "piece_us", "p50"))),
        ("added a piece p99, c=1 (us)", lambda name: shown(added(report, "paced c=1", name, "piece_us", "p99"))),
        ("pieces in the 38-45 ms band", lambda name: str(sum(value or 0 for case in ("paced c=1", "paced c=32")
                                                             for value in of(report, case, name, "piece_us", "in_38_45_ms")))),
        ("RSS idle (MB)", lambda name: f"{report['idle_rss_mb'][name]:.1f}"),
        ("RSS highest (MB)", lambda name: f"{max(one['rss_mb'] for one in report['measurements'] if one['contender'] == name):.1f}"),
    ]
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    lines += [f"| {label} | " + " | ".join(make(name) for name in names) + " |" for label, make in rows]
    lines.append(f"\nMedians over the rounds with 95 % bootstrap intervals; load average at the end {report['load'][0]:.1f}; "
                 f"parity: {report['parity']}")
    return "\n".join(lines)
