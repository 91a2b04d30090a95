#include "integrations/hardware/hardware.hpp"

#include "support/temporary_directory.hpp"

#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

namespace llmm::hardware {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

class Machine : public testing::Test {
  protected:
    void put(const std::string& file, const std::string& text) {
        const auto path = root.path() / file;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
    }
    void memory(std::uint64_t total_mib, std::uint64_t available_mib) {
        put("proc/meminfo",
            "MemTotal:       " + std::to_string(total_mib * 1024) +
                " kB\nMemFree:        1024 kB\nMemAvailable:   " + std::to_string(available_mib * 1024) + " kB\n");
    }
    KernelFiles files() const { return {.proc = root.path() / "proc", .sys = root.path() / "sys"}; }

    test::TemporaryDirectory root;
};

TEST_F(Machine, WithoutGroupsTheMachineIsTheTruth) {
    memory(1000, 400);
    const auto ram = read_ram(files());
    ASSERT_TRUE(ram);
    EXPECT_EQ(ram->total, 1000 * kMiB);
    EXPECT_EQ(ram->available, 400 * kMiB);
    EXPECT_FALSE(ram->limited);
}

TEST_F(Machine, OldKernelsDoNotEstimateWhatIsAvailable) {
    put("proc/meminfo", "MemTotal: 2048 kB\nMemFree: 1024 kB\n");
    EXPECT_EQ(read_ram(files())->available, kMiB);
}

TEST_F(Machine, NothingReadableIsUnknown) {
    EXPECT_FALSE(read_ram(files()));
    EXPECT_FALSE(read_traffic(files()));
    EXPECT_FALSE(read_process_memory(1, false, files()));
}

TEST_F(Machine, AGroupOfVersion2Limits) {
    memory(1000, 900);
    put("proc/self/cgroup", "0::/system.slice/llm-manager.service\n");
    const std::string group = "sys/fs/cgroup/system.slice/llm-manager.service/";
    put(group + "memory.max", "536870912\n");      // 512 MiB
    put(group + "memory.current", "314572800\n");  // 300 MiB, of which 100 can be dropped
    put(group + "memory.stat", "anon 1\nfile 2\ninactive_file 104857600\n");
    put("sys/fs/cgroup/system.slice/memory.max", "max\n");
    const auto ram = read_ram(files());
    EXPECT_EQ(ram->total, 512 * kMiB);
    EXPECT_EQ(ram->available, 312 * kMiB);
    EXPECT_TRUE(ram->limited);
}

TEST_F(Machine, AGroupAboveLimitsToo) {
    memory(1000, 900);
    put("proc/self/cgroup", "0::/a/b\n");
    put("sys/fs/cgroup/a/b/memory.max", "536870912\n");
    put("sys/fs/cgroup/a/memory.max", "268435456\n");
    put("sys/fs/cgroup/a/memory.current", "1048576\n");
    const auto ram = read_ram(files());
    EXPECT_EQ(ram->total, 256 * kMiB);
    EXPECT_EQ(ram->available, 255 * kMiB);
}

TEST_F(Machine, InAContainerTheMountIsTheGroup) {
    memory(1000, 900);
    put("proc/self/cgroup", "0::/../../docker/0123\n");
    put("sys/fs/cgroup/memory.max", "134217728\n");
    put("sys/fs/cgroup/memory.current", "209715200\n");  // over its limit for a moment
    const auto ram = read_ram(files());
    EXPECT_EQ(ram->total, 128 * kMiB);
    EXPECT_EQ(ram->available, 0u);
}

TEST_F(Machine, AGroupOfVersion1Limits) {
    memory(1000, 900);
    put("proc/self/cgroup", "12:pids:/x\n4:cpu,memory:/x\n1:name=systemd:/x\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");  // none
    put("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "104857600\n");
    put("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "52428800\n");
    put("sys/fs/cgroup/memory/x/memory.stat", "inactive_file 1\ntotal_inactive_file 10485760\n");
    const auto ram = read_ram(files());
    EXPECT_EQ(ram->total, 100 * kMiB);
    EXPECT_EQ(ram->available, 60 * kMiB);
}

TEST_F(Machine, TrafficCountsAllButLoopback) {
    put("proc/net/dev",
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls "
        "carrier\n"
        "    lo: 5000 1 0 0 0 0 0 0 5000 1 0 0 0 0 0 0\n"
        "  eth0:12345 6 0 0 0 0 0 0 678 9 0 0 0 0 0 0\n"
        "wlan0: 5 6 0 0 0 0 0 0 2 9 0 0 0 0 0 0\n"
        " half: 5 6\n");
    const auto traffic = read_traffic(files());
    EXPECT_EQ(traffic->received, 12'350u);
    EXPECT_EQ(traffic->sent, 680u);
}

TEST(ProcessMemory, OfOurselvesAddsUp) {
    const auto memory = read_process_memory(::getpid(), true);
    ASSERT_TRUE(memory && memory->resident && memory->anonymous && memory->file && memory->peak_resident);
    EXPECT_EQ(*memory->resident, *memory->anonymous + *memory->file + memory->shared.value_or(0));
    EXPECT_GE(*memory->peak_resident, *memory->resident);
    ASSERT_TRUE(memory->proportional);
    EXPECT_GT(*memory->proportional, kMiB);
}

TEST(KilobytesAfter, TakesWholeKeysAtTheBeginningOfALine) {
    EXPECT_EQ(kilobytes_after("NotVmRSS: 4 kB\nVmRSS:\t  3 kB\n", "VmRSS:"), 3 * 1024u);
    EXPECT_EQ(kilobytes_after("VmRSS: x\n", "VmRSS:"), std::nullopt);
    EXPECT_EQ(kilobytes_after("VmRSS:", "VmRSS:"), std::nullopt);
}

}  // namespace
}  // namespace llmm::hardware
