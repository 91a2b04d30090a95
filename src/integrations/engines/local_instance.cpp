#include "integrations/engines/local_instance.hpp"

#include "base/fs/file.hpp"
#include "base/log/log.hpp"
#include "integrations/engines/local_address.hpp"

#include <set>
#include <unistd.h>

namespace llmm::engines {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMaxKeyFile = 256;
constexpr std::string_view kKeySuffix = ".key", kLinkSuffix = ".model";

Variables device_variables(const std::string& gpu_device) {
    if (gpu_device == "auto") return {};
    // An index that does not exist hides every device (CUDA C++ Programming Guide, "CUDA Environment Variables").
    if (gpu_device == "cpu") return {{"CUDA_VISIBLE_DEVICES", "-1"}, {"HIP_VISIBLE_DEVICES", "-1"}};
    // The numbers of nvidia-smi, not those of "fastest first".
    return {
        {"CUDA_DEVICE_ORDER", "PCI_BUS_ID"}, {"CUDA_VISIBLE_DEVICES", gpu_device}, {"HIP_VISIBLE_DEVICES", gpu_device}};
}

}  // namespace

Variables local_environment(const LocalHost& host, const Order& order) {
    Variables environment = device_variables(order.gpu_device);
    environment.emplace_back(kInstanceMark, order.instance);
    environment.emplace_back(kHomeMark, host.home.native());
    return environment;
}

std::filesystem::path engine_key_file(const LocalHost& host, const std::string& instance) {
    return private_file(host.home, instance, kKeySuffix);
}

std::filesystem::path make_model_link(const LocalHost& host, const Order& order) {
    const auto folder = private_file(host.home, order.instance, kLinkSuffix);
    make_directories(folder);
    std::filesystem::create_symlink(order.model, folder / order.name);
    return folder;
}

SecretString make_engine_key(const LocalHost& host, const std::string& instance) {
    SecretString key = random_secret(kKeyBytes);
    write_file_durably(engine_key_file(host, instance), key.reveal(), 0600);
    return key;
}

SecretString read_engine_key(const LocalHost& host, const std::string& instance) {
    const auto file = engine_key_file(host, instance);
    std::error_code missing;
    if (!std::filesystem::exists(file, missing)) return {};
    return SecretString(read_text_file(file, kMaxKeyFile));
}

HttpHeaders engine_key_headers(const SecretString& key) {
    if (key.empty()) return {};
    return {{"Authorization", "Bearer " + key.reveal()}};
}

LocalInstance::LocalInstance(LocalHost host, const Order& order, Process process, Endpoint endpoint, SecretString key)
    : host_(std::move(host)),
      id_(order.instance),
      name_(order.name),
      process_(std::move(process)),
      endpoint_(endpoint),
      upstream_(std::make_shared<Upstream>(std::move(endpoint), UpstreamOptions{.headers = engine_key_headers(key)})) {}

Record LocalInstance::record() const {
    return {.process = process_.identity(), .container = {}, .endpoint = to_string(endpoint_)};
}

Task<std::string> LocalInstance::wait() {
    const ExitStatus status = co_await process_.wait();
    co_return status.to_string();
}

Task<std::optional<std::uint64_t>> LocalInstance::memory() {
    const pid_t pid = process_.identity().pid;
    co_return co_await host_.files.run([pid] { return resident_bytes(pid); });
}

Task<> LocalInstance::stop(std::chrono::milliseconds grace) {
    co_await process_.stop(grace);
    co_await host_.files.run([this] { remove_leftovers(host_, id_, endpoint_); });
}

Task<std::optional<Process>> find_process(LocalHost host, std::string instance, Record record) {
    if (record.process) co_return Process::adopt(host.executor, *record.process);
    const auto found =
        co_await host.files.run([&instance] { return find_processes_with_environment(kInstanceMark, instance); });
    for (const ProcessIdentity& identity : found) {
        if (::getsid(identity.pid) == identity.pid) co_return Process::adopt(host.executor, identity);
    }
    co_return std::nullopt;
}

void remove_leftovers(const LocalHost& host, const std::string& instance, const Endpoint& endpoint) {
    remove_socket(endpoint);
    std::error_code missing;
    const auto key = engine_key_file(host, instance);
    std::filesystem::remove(key, missing);
    // A manager that was killed while it wrote the key left it under the name of write_file_durably.
    const std::string unfinished = "." + key.filename().native() + ".";
    for (const auto& entry : std::filesystem::directory_iterator(key.parent_path(), missing)) {
        if (entry.path().filename().native().starts_with(unfinished)) std::filesystem::remove(entry.path(), missing);
    }
    std::filesystem::remove_all(private_file(host.home, instance, kLinkSuffix), missing);
}

// Children of an engine that is kept have its environment too: they are of its session.
Task<> sweep_processes(LocalHost host, std::vector<Record> kept, std::chrono::milliseconds grace) {
    std::set<pid_t> sessions;
    for (const Record& record : kept) {
        if (record.process) sessions.insert(record.process->pid);
    }
    const auto found =
        co_await host.files.run([&host] { return find_processes_with_environment(kHomeMark, host.home.native()); });
    for (const ProcessIdentity& identity : found) {
        if (sessions.contains(::getsid(identity.pid))) continue;
        auto process = Process::adopt(host.executor, identity);
        if (!process) continue;
        log::info("ends an engine that nobody wants", {{"pid", identity.pid}});
        co_await process->stop(grace);
    }
}

}  // namespace llmm::engines
