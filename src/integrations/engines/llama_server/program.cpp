#include "base/fs/file.hpp"
#include "integrations/engines/llama_server/llama_server.hpp"

#include <charconv>
#include <signal.h>
#include <sstream>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace llmm::engines::llama_server {
namespace {

constexpr std::chrono::seconds kProbeLimit{10};
constexpr std::size_t kMaxProbeOutput = 1 << 20;
// Where scripts/install-llama-server puts it below llm-manager's home.
constexpr std::string_view kInstalled = "engines/llama-server/bin/llama-server";
constexpr std::string_view kSystemHomes[] = {"/usr/lib/llm-manager", "/var/lib/llm-manager"};

bool is_program(const std::filesystem::path& path) {
    std::error_code missing;
    return std::filesystem::is_regular_file(path, missing) && ::access(path.c_str(), X_OK) == 0;
}

std::vector<std::filesystem::path> candidates(const SearchPlaces& places) {
    std::vector<std::filesystem::path> result;
    std::istringstream folders(places.path_variable);
    for (std::string folder; std::getline(folders, folder, ':');) {
        // A relative entry would depend on where this program was started.
        if (folder.starts_with('/')) result.push_back(std::filesystem::path(folder) / "llama-server");
    }
    if (!places.home.empty()) result.push_back(places.home / kInstalled);
    if (!places.user_data.empty() && places.user_data != places.home) result.push_back(places.user_data / kInstalled);
    for (const std::string_view home : kSystemHomes)
        result.push_back(std::filesystem::path(home) / kInstalled);
    return result;
}

[[noreturn]] void throw_unusable(const std::filesystem::path& program, std::string_view why) {
    throw Error(ErrorCode::engine_unavailable,
                Text{"the program found as llama-server does not work; scripts/install-llama-server installs "
                     "one that does",
                     "找到的 llama-server 无法正常运行；可用 scripts/install-llama-server 重新安装"})
        .with_log_note(fmt::format("{}: {}", program.native(), why));
}

// What the program prints, on either output.
Task<std::string> output_of(std::filesystem::path program, std::string argument) {
    const auto executor = co_await asio::this_coro::executor;
    const UniqueFd output(::memfd_create("probe", MFD_CLOEXEC));
    if (!output) throw_errno("memfd_create", errno);
    const auto process = std::make_shared<Process>(Process::start(
        executor, {.program = program,
                   .arguments = {std::move(argument)},
                   .environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"HOME", "/"}, {"LANG", "C.UTF-8"}},
                   .working_directory = "/",
                   .output = fmt::format("/proc/self/fd/{}", output.get())}));
    asio::steady_timer limit(executor, kProbeLimit);
    limit.async_wait([process](boost::system::error_code cancelled) {
        if (!cancelled) process->signal_group(SIGKILL);
    });
    const ExitStatus status = co_await process->wait();
    if (status.code != 0) throw_unusable(program, status.to_string());
    std::string text(kMaxProbeOutput, '\0');
    const ssize_t size = ::pread(output.get(), text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    co_return text;
}

// "version: 0.7.0 (build 11669, commit Debian)", or of older builds "version: 6300 (0a1b2c3d)".
void read_version(const std::string& text, Program& program) {
    constexpr std::string_view kVersion = "version: ";
    constexpr std::string_view kBuild = "(build ";
    const auto start = text.find(kVersion);
    if (start == std::string::npos) return;
    program.version = text.substr(start + kVersion.size(), text.find('\n', start) - start - kVersion.size());
    const auto marked = program.version.find(kBuild);
    const std::string_view digits =
        std::string_view(program.version).substr(marked == std::string::npos ? 0 : marked + kBuild.size());
    int number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc{} && (end == digits.data() + digits.size() || *end != '.')) program.build = number;
}

// Lines that begin with a dash name flags: "-np,   --parallel N    number of server slots".
std::set<std::string> read_flags(const std::string& help) {
    std::set<std::string> flags;
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with('-')) continue;
        std::istringstream words(line);
        for (std::string word; words >> word && word.starts_with('-');) {
            const bool more = word.ends_with(',');
            if (more) word.pop_back();
            flags.insert(word);
            if (!more) break;
        }
    }
    return flags;
}

}  // namespace

Location locate(const SearchPlaces& places) {
    Location location;
    if (!places.configured.empty()) {
        location.searched = {places.configured};
        if (places.configured.is_absolute() && is_program(places.configured)) {
            location.program = places.configured;
        } else {
            location.reason = {
                "LLM_MANAGER_LLAMA_SERVER does not name a program: it must be the absolute path of "
                "llama-server",
                "LLM_MANAGER_LLAMA_SERVER 指定的不是可执行程序：必须是 llama-server 的绝对路径"};
        }
        return location;
    }
    location.searched = candidates(places);
    const auto found = std::ranges::find_if(location.searched, is_program);
    if (found != location.searched.end()) {
        location.program = *found;
    } else {
        location.reason = {
            "llama-server was not found: run scripts/install-llama-server, or set LLM_MANAGER_LLAMA_SERVER",
            "未找到 llama-server：请运行 scripts/install-llama-server，或设置 LLM_MANAGER_LLAMA_SERVER"};
    }
    return location;
}

Task<Program> probe(std::filesystem::path path) {
    Program program{.path = path, .version = {}, .build = {}, .flags = {}};
    read_version(co_await output_of(path, "--version"), program);
    if (program.version.empty()) throw_unusable(path, "--version does not tell a version");
    program.flags = read_flags(co_await output_of(path, "--help"));
    for (const EngineOption& option : kDescriptor.options) {
        if (!program.offers(option.flag)) throw_unusable(path, fmt::format("--help does not name {}", option.flag));
    }
    co_return program;
}

}  // namespace llmm::engines::llama_server
