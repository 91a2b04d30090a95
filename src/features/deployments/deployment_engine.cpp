#include "features/deployments/deployment_engine.hpp"

#include "base/fs/file.hpp"
#include "features/deployments/deployment_json.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace llmm::deployments {
namespace {

namespace llama_server = engines::llama_server;

constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un::sun_path without its NUL
constexpr std::size_t kShortId = 12;         // the random end of a UUIDv7
constexpr std::string_view kSocketSuffix = ".sock";

[[noreturn]] void throw_unavailable(Text reason) {
    throw Error(ErrorCode::engine_unavailable, std::move(reason),
                {{"engine", std::string(llama_server::kDescriptor.name)},
                 {"install", std::string("scripts/install-llama-server")},
                 {"variable", std::string("LLM_MANAGER_LLAMA_SERVER")}});
}

std::string short_id(const InstanceId& id) {
    return id.str().substr(id.str().size() - kShortId);
}

bool has_room(const std::filesystem::path& directory) {
    return directory.native().size() + 1 + kShortId + kSocketSuffix.size() <= kMaxSocketPath;
}

// Somebody else could have made a directory below /tmp first, to read what is said or to answer instead of the engine.
void check_private(const std::filesystem::path& directory) {
    struct stat info{};
    if (::lstat(directory.c_str(), &info) != 0) throw_errno("lstat socket directory", errno);
    if (S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & 077) == 0) return;
    throw Error(ErrorCode::engine_unavailable,
                Text{"the directory for the engines' sockets belongs to somebody else or is open to others",
                     "引擎套接字目录属于其他用户或对他人开放"})
        .with_log_note(directory.native());
}

bool is_number_list(std::string_view text) {
    std::size_t digits = 0;
    for (const char c : text) {
        if (c == ',' && digits > 0) {
            digits = 0;
        } else if (c < '0' || c > '9' || ++digits > 3) {
            return false;
        }
    }
    return digits > 0;
}

using Variables = std::vector<std::pair<std::string, std::string>>;

Variables device_variables(const std::string& gpu_device) {
    if (gpu_device == "auto") return {};
    // An index that does not exist hides every device (CUDA C++ Programming Guide, "CUDA Environment Variables").
    if (gpu_device == "cpu") return {{"CUDA_VISIBLE_DEVICES", "-1"}, {"HIP_VISIBLE_DEVICES", "-1"}};
    // The numbers of nvidia-smi, not those of "fastest first".
    return {
        {"CUDA_DEVICE_ORDER", "PCI_BUS_ID"}, {"CUDA_VISIBLE_DEVICES", gpu_device}, {"HIP_VISIBLE_DEVICES", gpu_device}};
}

}  // namespace

Task<llama_server::Program> EngineStarter::program() {
    auto location = co_await files_.run([this] { return llama_server::locate(places_.search); });
    if (!location.program) throw_unavailable(std::move(location.reason));
    std::error_code missing;
    const auto changed_at = std::filesystem::last_write_time(*location.program, missing);
    if (!known_ || known_->program.path != *location.program || known_->changed_at != changed_at) {
        std::optional<Error> failure;
        try {
            known_ = Known{co_await llama_server::probe(*location.program), changed_at};
        } catch (const Error& error) {
            failure = error;
        }
        if (failure && failure->code() != ErrorCode::engine_unavailable) throw *failure;
        if (failure) throw_unavailable(failure->message());
    }
    co_return known_->program;
}

Task<EngineInfo> EngineStarter::info() {
    EngineInfo info{.name = std::string(llama_server::kDescriptor.name), .version = {}, .reason = {}, .formats = {}};
    for (const std::string_view format : llama_server::kDescriptor.formats)
        info.formats.emplace_back(format);
    try {
        const auto found = co_await program();
        info.version = found.build ? fmt::format("b{}", *found.build) : found.version;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::engine_unavailable) throw;
        info.reason = error.message();
    }
    co_return info;
}

Task<Endpoint> EngineStarter::endpoint_for(InstanceId instance, std::optional<int> port) {
    if (port) {
        co_await files_.run([port] { check_port_free(*port); });
        co_return TcpEndpoint{"127.0.0.1", static_cast<std::uint16_t>(*port)};
    }
    const auto directory = co_await files_.run([this] { return socket_directory(places_.home); });
    UnixEndpoint endpoint{(directory / (short_id(instance) + std::string(kSocketSuffix))).native()};
    co_await files_.run([&endpoint] { remove_socket(endpoint); });
    co_return endpoint;
}

std::filesystem::path EngineStarter::log_path(const DeploymentId& id) const {
    return places_.home / "logs" / "deployments" / (id.str() + ".log");
}

Task<ProcessSpec> EngineStarter::spec(Deployment deployment, InstanceId instance, Endpoint endpoint,
                                      std::filesystem::path model) {
    const std::filesystem::path log = log_path(deployment.id);
    co_await files_.run([&log] { make_directories(log.parent_path()); });
    Variables environment = device_variables(deployment.gpu_device);
    environment.emplace_back(kInstanceMark, instance.str());
    environment.emplace_back(kHomeMark, places_.home.native());
    co_return llama_server::process_spec({.program = co_await program(),
                                          .model = std::move(model),
                                          .alias = deployment.name,
                                          .endpoint = std::move(endpoint),
                                          .options = engine_options(deployment.config, deployment.gpu_device),
                                          .directory = places_.home,
                                          .log = log,
                                          .environment = std::move(environment)});
}

void remove_socket(const Endpoint& endpoint) {
    const auto* local = std::get_if<UnixEndpoint>(&endpoint);
    if (!local) return;
    std::error_code missing;
    std::filesystem::remove(local->path, missing);
}

void check_port_free(int port) {
    const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!probe) throw_errno("socket", errno);
    const int yes = 1;  // connections of an earlier engine that linger don't count
    ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
    throw Error(ErrorCode::port_in_use,
                Text::format("port {} can't be listened on: another program has it",
                             "端口 {} 无法监听：已被其他程序占用", port),
                {{"port", std::int64_t{port}}});
}

std::filesystem::path socket_directory(const std::filesystem::path& home) {
    std::filesystem::path directory = home / "run";
    if (!has_room(directory)) {
        const char* runtime = std::getenv("XDG_RUNTIME_DIR");
        const bool usable = runtime && runtime[0] == '/';
        directory = usable ? std::filesystem::path(runtime) / "llm-manager" : std::filesystem::path();
        if (!usable || !has_room(directory)) directory = fmt::format("/tmp/llm-manager-{}", ::geteuid());
    }
    make_directories(directory, 0700);
    check_private(directory);
    return directory;
}

bool is_gpu_device(std::string_view text) {
    constexpr std::string_view kPrefix = "GPU-";
    constexpr std::size_t kUuid = 36;
    if (text == "auto" || text == "cpu") return true;
    if (!text.starts_with(kPrefix)) return is_number_list(text);
    return text.size() == kPrefix.size() + kUuid &&
           text.substr(kPrefix.size()).find_first_not_of("0123456789abcdefABCDEF-") == std::string_view::npos;
}

}  // namespace llmm::deployments
