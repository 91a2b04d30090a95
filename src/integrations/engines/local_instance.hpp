#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/secret/secret.hpp"
#include "integrations/engines/engine.hpp"

#include <filesystem>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

// Engines that are processes of this machine: their marks, addresses, keys and ends.
namespace llmm::engines {

// Environment that every engine process gets, so that one without a usable row is found again.
inline constexpr std::string_view kInstanceMark = "LLM_MANAGER_INSTANCE";
inline constexpr std::string_view kHomeMark = "LLM_MANAGER_ENGINE_HOME";

struct LocalHost {
    asio::any_io_executor executor;
    BlockingPool& files;
    std::filesystem::path home;
};

using Variables = std::vector<std::pair<std::string, std::string>>;
// The marks, and which devices the process may see.
Variables local_environment(const LocalHost& host, const Order& order);

// A key that only this program and the engine know, in a file that only this user reads. Blocking.
SecretString make_engine_key(const LocalHost& host, const std::string& instance);
std::filesystem::path engine_key_file(const LocalHost& host, const std::string& instance);
// A folder of this instance's own, with a link to the model that is called as the deployment is: for servers that call
// a model by the path that they were given. Blocking.
std::filesystem::path make_model_link(const LocalHost& host, const Order& order);
// Empty when there is none. Blocking.
SecretString read_engine_key(const LocalHost& host, const std::string& instance);
HttpHeaders engine_key_headers(const SecretString& key);

// What probing an engine of its kind means is left to the derived class.
class LocalInstance : public EngineInstance {
  public:
    LocalInstance(LocalHost host, const Order& order, Process process, Endpoint endpoint, SecretString key);

    Record record() const override;
    std::shared_ptr<Upstream> upstream() const override { return upstream_; }
    std::string model() const override { return name_; }
    Task<std::string> wait() override;
    Task<std::optional<std::uint64_t>> memory() override;
    Task<> stop(std::chrono::milliseconds grace) override;

  protected:
    ExitStatus ended_with() const { return process_.status().value_or(ExitStatus{}); }
    LocalHost host_;

  private:
    std::string id_, name_;
    Process process_;
    Endpoint endpoint_;
    std::shared_ptr<Upstream> upstream_;
};

// The process of a record, or the one that carries the instance's mark: a manager that was killed between the fork and
// the note of the pid left a row without one.
Task<std::optional<Process>> find_process(LocalHost host, std::string instance, Record record);
// The socket, the key and the model's link of an instance that is gone. Blocking.
void remove_leftovers(const LocalHost& host, const std::string& instance, const Endpoint& endpoint);
// Ends processes with the mark of this home that are not of the sessions of the kept ones.
Task<> sweep_processes(LocalHost host, std::vector<Record> kept, std::chrono::milliseconds grace);

}  // namespace llmm::engines
