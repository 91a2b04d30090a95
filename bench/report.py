"""Facts about the machine, figures from the raw measurements, and the table."""
import os
import pathlib
import platform
import statistics
import subprocess

PACKAGES = ("clang-19", "gunicorn", "libboost1.81-dev", "libboost1.83-dev", "libsoci-core4.0", "libsqlite3-0", "python3",
            "python3-flask", "python3-flask-sqlalchemy", "python3-sqlalchemy", "wrk")
# What one request to the fastest peer is measured against, and what the service shall need at most.
AIMS = {"read": 10.0, "list-50": 5.0, "idle_mib": 30.0, "ready_ms": 150.0}


def machine_facts():
    cpu = [line.partition(":")[2].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
           if line.startswith("model name")]
    memory = pathlib.Path("/proc/meminfo").read_text().split()[1]
    return {"cores": len(os.sched_getaffinity(0)), "cpu": cpu[0] if cpu else platform.machine(),
            "memory_mib": int(memory) // 1024, "kernel": platform.release(), "packages": versions()}


def versions():
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return dict(line.split(" ", 1) for line in asked.stdout.splitlines() if not line.endswith(" "))


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def summarize(raw):
    """Of each case and number of connections: medians a server, and ours/peer ratios taken round by round."""
    rows = []
    keys = list(dict.fromkeys((m["case"], m["connections"]) for m in raw["measurements"]))
    for case, connections in keys:
        of_server = {}
        for m in raw["measurements"]:
            if (m["case"], m["connections"]) == (case, connections):
                of_server.setdefault(m["server"], []).append(m)
        for server, runs in of_server.items():
            row = {"case": case, "connections": connections, "server": server}
            for field in ("requests_per_second", "p50_us", "p99_us", "cpu_us_per_request"):
                row[field] = spread([run[field] for run in runs])
            if server != raw["servers"][0]:
                ours = of_server[raw["servers"][0]]
                row["ratio"] = spread([a["requests_per_second"] / b["requests_per_second"] for a, b in zip(ours, runs)])
                row["cpu_ratio"] = spread([b["cpu_us_per_request"] / a["cpu_us_per_request"]
                                           for a, b in zip(ours, runs)])
            rows.append(row)
    return rows


def print_loads(rows):
    print(f"\n{'case':<15}{'conn':>5}  {'server':<14}{'req/s':>9}{'p50 us':>9}{'p99 us':>9}{'CPU us/req':>12}"
          "   times ours: req/s (min..max), less CPU")
    for row in rows:
        line = (f"{row['case']:<15}{row['connections']:>5}  {row['server']:<14}"
                f"{row['requests_per_second']['median']:>9.0f}{row['p50_us']['median']:>9.0f}"
                f"{row['p99_us']['median']:>9.0f}{row['cpu_us_per_request']['median']:>12.1f}")
        if "ratio" in row:
            ratio = row["ratio"]
            line += (f"   {ratio['median']:.1f} ({ratio['min']:.1f}..{ratio['max']:.1f}), "
                     f"{row['cpu_ratio']['median']:.1f}")
        print(line)


def print_servers(raw):
    print(f"\n{'server':<14}{'ready ms (min..max)':>24}{'idle RSS MiB':>14}{'idle PSS':>10}{'RSS after':>11}{'PSS after':>11}")
    for name in raw["servers"]:
        ready, idle, after = spread(raw["ready_ms"][name]), raw["memory_kib"][name]["idle"], raw["memory_kib"][name]["after"]
        shown = f"{ready['median']:.0f} ({ready['min']:.0f}..{ready['max']:.0f})"
        print(f"{name:<14}{shown:>24}{mib(idle['rss']):>14}{mib(idle['pss']):>10}{mib(after['rss']):>11}{mib(after['pss']):>11}")


def mib(kib):
    return "-" if kib is None else f"{kib / 1024:.1f}"


def print_aims(raw, rows):
    print()
    for case in ("read", "list-50"):
        for row in rows:
            if row["case"] == case and "ratio" in row:
                verdict(f"{case}, {row['connections']} connections, against {row['server']}: at least {AIMS[case]:.0f} times",
                        f"{row['ratio']['median']:.1f}", row["ratio"]["median"] >= AIMS[case])
    ours = raw["servers"][0]
    idle = raw["memory_kib"][ours]["idle"]["rss"] / 1024
    verdict(f"idle memory: at most {AIMS['idle_mib']:.0f} MiB", f"{idle:.1f}", idle <= AIMS["idle_mib"])
    ready = statistics.median(raw["ready_ms"][ours])
    verdict(f"start to ready: at most {AIMS['ready_ms']:.0f} ms", f"{ready:.0f}", ready <= AIMS["ready_ms"])


def verdict(aim, value, met):
    print(f"{'met   ' if met else 'MISSED'} {aim}: {value}")
