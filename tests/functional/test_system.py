"""What the service says about the machine, as a black box: the contract, truths that can be checked, GPUs from recorded readings."""

import os
from pathlib import Path

import pytest
from service import PROGRAM, Service, until

FAKE_NVML = Path(PROGRAM).with_name("fake-nvml.so")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A service on a machine with NVIDIA's library and one card of AMD."""
    folder = tmp_path_factory.mktemp("machine")
    card = folder / "sys/class/drm/card1/device"
    card.mkdir(parents=True)
    for name, text in {"vendor": "0x1002", "product_name": "AMD Instinct MI210", "mem_info_vram_total": "68702699520",
                       "mem_info_vram_used": "11571200", "gpu_busy_percent": "3"}.items():
        (card / name).write_text(text + "\n")
    service = Service(folder / "home", LLM_MANAGER_HARDWARE_NVML_LIBRARY=str(FAKE_NVML),
                      LLM_MANAGER_HARDWARE_SYSFS=str(folder / "sys"))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("plain") / "home", LLM_MANAGER_HARDWARE_NVML_LIBRARY="libllmm-absent.so.1",
                      LLM_MANAGER_HARDWARE_SYSFS="/proc/self/fdinfo")
    yield service
    service.stop()


def test_memory_is_no_more_than_the_kernel_says(plain):
    memory = plain.data("GET", "/api/v1/system/resources")["memory"]
    kernel = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in Path("/proc/meminfo").read_text().splitlines()}
    assert 0 < memory["total"] <= kernel["MemTotal"]
    assert 0 < memory["available"] <= memory["total"]
    assert memory["used"] == memory["total"] - memory["available"]


def test_our_own_process_is_measured(plain):
    process = plain.data("GET", "/api/v1/system/resources")["process"]
    status = Path(f"/proc/{plain.process.pid}/status").read_text()
    resident = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
    assert abs(process["rss"] - resident) < 64 << 20
    assert process["open_files"] > 3
    assert process["threads"] == len(os.listdir(f"/proc/{plain.process.pid}/task"))


def test_no_gpus_is_an_empty_list_and_one_line_in_the_log(plain):
    assert plain.data("GET", "/api/v1/system/gpus")["items"] == []
    assert plain.data("GET", "/api/v1/system/resources")["gpus"] == []
    assert plain.data("GET", "/api/v1/system/resources")["engines"] == []
    assert plain.log.read_text().count("no NVIDIA GPUs") == 1


def test_gpus_of_both_vendors(machine):
    first, silent, amd = machine.data("GET", "/api/v1/system/gpus")["items"]
    assert first == {"vendor": "nvidia", "index": 0, "uuid": "GPU-3f2504e0-4f89-11d3-9a0c-0305e82c3301",
                     "name": "NVIDIA H100 80GB HBM3", "driver": "550.54.15", "memory_total": 85520809984,
                     "memory_used": 2520809984, "memory_free": 83000000000, "usage_percent": 37,
                     "temperature_celsius": 41, "power_watts": 118.25}
    assert silent["name"] == "GRID A100X-20C"
    assert {silent[key] for key in ("memory_total", "memory_used", "memory_free", "usage_percent", "power_watts")} == {None}
    assert (amd["vendor"], amd["name"], amd["memory_free"]) == ("amd", "AMD Instinct MI210", 68702699520 - 11571200)
    assert machine.data("GET", "/api/v1/system/resources")["gpus"] == [first, silent, amd]


def history(service, metric, minutes=60):
    return service.data("GET", f"/api/v1/system/resources/history?metric={metric}&minutes={minutes}")


def test_history_grows(machine):
    first = until(lambda: history(machine, "memory_used")["points"], "a first reading")
    assert history(machine, "gpu_memory_used")["points"][0]["value"] == 2520809984 + 11571200
    assert history(machine, "gpu_usage_percent")["points"][0]["value"] == 20
    second = until(lambda: (points := history(machine, "memory_used")["points"])[1:] and points, "a second reading")
    assert second[0] == first[0] and second[1]["time"] > second[0]["time"] and second[1]["value"] > 0
    rates = history(machine, "cpu_percent")["points"]
    assert rates[0]["value"] is None and 0 <= rates[1]["value"] <= 100


def test_history_names_what_is_wrong(plain):
    assert plain.error("GET", "/api/v1/system/resources/history") == "VALIDATION_FAILED"
    for query in ("metric=cpu", "metric=cpu_percent&minutes=0", "metric=cpu_percent&minutes=721", "metric=cpu_percent&x=1"):
        status, _, answer = plain.request("GET", f"/api/v1/system/resources/history?{query}")
        assert status == 422 and answer["error"] == "VALIDATION_FAILED", query
    status, _, answer = plain.request("GET", "/api/v1/system/resources/history?metric=cpu", Accept_Language="zh")
    assert "不是可用的值" in str(answer["details"])
