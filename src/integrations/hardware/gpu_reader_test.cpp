#include "integrations/hardware/gpu_reader.hpp"

#include "support/temporary_directory.hpp"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

namespace llmm::hardware {
namespace {

void put(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
}

TEST(Nvml, ReadsWhatTheLibraryTells) {
    std::string why;
    const auto nvml = Nvml::load(LLMM_FAKE_NVML, why);
    ASSERT_TRUE(nvml) << why;
    const auto gpus = nvml->read();
    ASSERT_EQ(gpus.size(), 2u);
    EXPECT_EQ(gpus[0].name, "NVIDIA H100 80GB HBM3");
    EXPECT_EQ(gpus[0].uuid, "GPU-3f2504e0-4f89-11d3-9a0c-0305e82c3301");
    EXPECT_EQ(gpus[0].driver, "550.54.15");
    EXPECT_EQ(gpus[0].memory_total, 85'520'809'984u);
    EXPECT_EQ(gpus[0].memory_used, 2'520'809'984u);
    EXPECT_EQ(gpus[0].memory_free, 83'000'000'000u);
    EXPECT_EQ(gpus[0].usage_percent, 37.0);
    EXPECT_EQ(gpus[0].temperature_celsius, 41.0);
    EXPECT_EQ(gpus[0].power_watts, 118.25);
}

TEST(Nvml, WhatIsNotToldIsUnknownAndNotZero) {
    std::string why;
    const auto gpus = Nvml::load(LLMM_FAKE_NVML, why)->read();
    ASSERT_EQ(gpus.size(), 2u);
    EXPECT_EQ(gpus[1].index, 1);
    EXPECT_EQ(gpus[1].name, "GRID A100X-20C");
    EXPECT_FALSE(gpus[1].memory_total || gpus[1].memory_used || gpus[1].memory_free);
    EXPECT_FALSE(gpus[1].usage_percent || gpus[1].temperature_celsius || gpus[1].power_watts);
}

TEST(Nvml, FindsTheMemoryOfAProcessAmongMany) {
    ::setenv("LLMM_FAKE_NVML_PID", "4242", 1);
    const GpuReader reader(LLMM_FAKE_NVML);
    const pid_t ours[] = {4242, 4243};
    const auto memory = reader.memory_of(ours);
    ::unsetenv("LLMM_FAKE_NVML_PID");
    ASSERT_EQ(memory.size(), 1u);
    EXPECT_EQ(memory.at("GPU-3f2504e0-4f89-11d3-9a0c-0305e82c3301"), 2'000'000'000u);
    const pid_t hidden[] = {1'000'000'001};  // its use is "not available"
    EXPECT_TRUE(reader.memory_of(hidden).empty());
}

TEST(Nvml, AnAbsentOrBrokenLibraryMeansNoGpus) {
    std::string why;
    EXPECT_FALSE(Nvml::load("libllmm-not-there.so.9", why));
    EXPECT_EQ(why, "libllmm-not-there.so.9 is not there");
    EXPECT_FALSE(Nvml::load("libm.so.6", why));
    EXPECT_EQ(why, "libm.so.6 has no nvmlInit_v2");
    ::setenv("LLMM_FAKE_NVML_BROKEN", "1", 1);
    EXPECT_FALSE(Nvml::load(LLMM_FAKE_NVML, why));
    ::unsetenv("LLMM_FAKE_NVML_BROKEN");
    EXPECT_EQ(why, "nvmlInit answers 9");
}

TEST(AmdGpus, AreReadFromSysfs) {
    const test::TemporaryDirectory sys;
    const auto drm = sys.path() / "class/drm";
    put(drm / "card0/device/vendor", "0x8086\n");  // the processor's own graphics
    put(drm / "card1/device/vendor", "0x1002\n");
    put(drm / "card1/device/product_name", "AMD Instinct MI210\n");
    put(drm / "card1/device/unique_id", "8bc8a3b1d2e4f601\n");
    put(drm / "card1/device/mem_info_vram_total", "68702699520\n");
    put(drm / "card1/device/mem_info_vram_used", "11571200\n");
    put(drm / "card1/device/gpu_busy_percent", "3\n");
    put(drm / "card1/device/hwmon/hwmon4/temp1_input", "38000\n");
    put(drm / "card1/device/hwmon/hwmon4/power1_average", "41000000\n");
    put(drm / "card1-HDMI-A-1/device/vendor", "0x1002\n");
    put(drm / "card2/device/vendor", "0x1002\n");
    put(drm / "card2/device/device", "0x740f\n");
    put(drm / "card2/device/gpu_busy_percent", "nonsense\n");
    const auto gpus = read_amd_gpus({.proc = "/proc", .sys = sys.path()});
    ASSERT_EQ(gpus.size(), 2u);
    EXPECT_EQ(gpus[0].name, "AMD Instinct MI210");
    EXPECT_EQ(gpus[0].uuid, "8bc8a3b1d2e4f601");
    EXPECT_EQ(gpus[0].memory_total, 68'702'699'520u);
    EXPECT_EQ(gpus[0].memory_free, 68'702'699'520u - 11'571'200u);
    EXPECT_EQ(gpus[0].usage_percent, 3.0);
    EXPECT_EQ(gpus[0].temperature_celsius, 38.0);
    EXPECT_EQ(gpus[0].power_watts, 41.0);
    EXPECT_EQ(gpus[1].index, 1);
    EXPECT_EQ(gpus[1].name, "AMD GPU 0x740f");
    EXPECT_FALSE(gpus[1].memory_total || gpus[1].memory_free || gpus[1].usage_percent || gpus[1].uuid);
}

}  // namespace
}  // namespace llmm::hardware
