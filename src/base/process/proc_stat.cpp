#include "base/process/proc_stat.hpp"

#include "base/fs/file.hpp"
#include "base/process/process.hpp"
#include "base/text/parse_number.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

namespace llmm::proc {
// Not by a stream: reading on after the process has ended fails with ESRCH, for which a file buffer throws.
std::optional<std::string> read_virtual_file(const std::filesystem::path& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return std::nullopt;
    std::string content;
    std::array<char, 4096> piece;
    for (;;) {
        const ssize_t count = ::read(file.get(), piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return std::nullopt;
        if (count == 0) return content;
        content.append(piece.data(), static_cast<std::size_t>(count));
    }
}

std::optional<Stat> read_stat(pid_t pid) {
    const auto content = read_virtual_file(fmt::format("/proc/{}/stat", pid));
    if (!content) return std::nullopt;
    // The second field is the program's name in parentheses, which may itself contain spaces and parentheses.
    const auto name_end = content->rfind(") ");
    if (name_end == std::string::npos) return std::nullopt;
    std::array<std::string_view, 22> fields{};  // fields[i] is field i + 3 of proc(5)
    std::string_view rest = std::string_view(*content).substr(name_end + 2);
    for (std::string_view& field : fields) {
        const auto space = rest.find(' ');
        if (space == std::string_view::npos) return std::nullopt;
        field = rest.substr(0, space);
        rest.remove_prefix(space + 1);
    }
    const auto parent = parse_number<pid_t>(fields[1]);
    const auto session = parse_number<pid_t>(fields[3]);
    const auto start = parse_number<std::uint64_t>(fields[19]);
    const auto resident = parse_number<std::uint64_t>(fields[21]);
    if (!parent || !session || !start || !resident) return std::nullopt;
    return Stat{.pid = pid,
                .state = fields[0].front(),
                .parent = *parent,
                .session = *session,
                .start_ticks = *start,
                .resident_pages = *resident};
}

std::vector<pid_t> list_pids() {
    std::vector<pid_t> pids;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        if (const auto pid = parse_number<pid_t>(entry.path().filename().native())) pids.push_back(*pid);
    }
    return pids;
}

const std::string& boot_id() {
    static const std::string id = [] {
        std::string text = read_virtual_file("/proc/sys/kernel/random/boot_id").value_or("");
        while (!text.empty() && text.back() == '\n')
            text.pop_back();
        return text;
    }();
    return id;
}

}  // namespace llmm::proc

namespace llmm {

std::optional<ProcessIdentity> identify_process(pid_t pid) {
    const auto stat = proc::read_stat(pid);
    if (!stat || stat->has_ended()) return std::nullopt;
    return ProcessIdentity{pid, stat->start_ticks, proc::boot_id()};
}

std::vector<ProcessIdentity> find_processes_with_environment(std::string_view name, std::string_view value) {
    // Every entry ends with a NUL byte; the one put in front lets the first be found like the others.
    std::string wanted(1, '\0');
    wanted.append(name).append("=").append(value).push_back('\0');
    std::vector<ProcessIdentity> found;
    for (const pid_t pid : proc::list_pids()) {
        const auto identity = identify_process(pid);
        if (!identity) continue;
        const auto environment = proc::read_virtual_file(fmt::format("/proc/{}/environ", pid));
        if (!environment || (std::string(1, '\0') + *environment).find(wanted) == std::string::npos) continue;
        if (identify_process(pid) == identity) found.push_back(*identity);  // else the pid changed hands meanwhile
    }
    return found;
}

std::optional<std::uint64_t> resident_bytes(pid_t pid) {
    const auto root = proc::read_stat(pid);
    if (!root || root->has_ended()) return std::nullopt;
    std::vector<proc::Stat> others;
    for (const pid_t other : proc::list_pids()) {
        if (other == pid) continue;
        if (const auto stat = proc::read_stat(other)) others.push_back(*stat);
    }
    std::uint64_t pages = root->resident_pages;
    std::vector<pid_t> family{pid};
    for (std::size_t i = 0; i < family.size(); ++i) {
        std::erase_if(others, [&](const proc::Stat& stat) {
            // One whose parent died belongs to init, but stays in the session of the process that we started.
            if (stat.parent != family[i] && stat.session != pid) return false;
            pages += stat.resident_pages;
            family.push_back(stat.pid);
            return true;
        });
    }
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace llmm
