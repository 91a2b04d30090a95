#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

// What the kernel tells about processes; shared by the files of this folder.
namespace llmm::proc {

struct Stat {
    pid_t pid = 0;
    char state = '?';
    pid_t parent = 0;
    pid_t session = 0;
    std::uint64_t start_ticks = 0;
    std::uint64_t resident_pages = 0;

    bool has_ended() const { return state == 'Z' || state == 'X'; }
};

// Includes zombies; nullopt when the pid is free.
std::optional<Stat> read_stat(pid_t pid);
std::vector<pid_t> list_pids();
// A file of /proc, which has no size; nullopt when it can't be read (gone, or somebody else's).
std::optional<std::string> read_virtual_file(const std::filesystem::path& path);
const std::string& boot_id();

}  // namespace llmm::proc
