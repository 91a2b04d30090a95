#pragma once
#include "base/async/task.hpp"
#include "base/error/error.hpp"
#include "base/net/upstream.hpp"
#include "base/process/process.hpp"
#include "integrations/engines/engine_metrics.hpp"
#include "integrations/engines/engine_options.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The one way in which models are run: whoever starts, watches and ends instances knows no engine by name. All of this
// is used from the event loop only.
namespace llmm::engines {

namespace llama_server {
struct MemorySettings;
}

// What one instance is started for.
struct Order {
    std::string deployment, instance;  // ids
    std::string name;                  // what the model is called towards clients
    std::filesystem::path model;       // a GGUF file or a folder of safetensors; empty where the engine has the model
    std::string model_ref;
    std::string gpu_device = "auto";
    std::optional<int> port;    // wanted on the loopback address
    std::string config = "{}";  // JSON that Engine::check found nothing wrong with
    std::filesystem::path log;  // what the engine says is appended here
};

// What the database keeps of an instance, so that a later run of this program finds it again.
struct Record {
    std::optional<ProcessIdentity> process;
    std::string container;  // id; empty: none
    std::string endpoint;   // see to_string(Endpoint); empty: not known yet
};

enum class Health {
    ready,
    loading,  // also while nothing listens yet: that an instance has ended is known from wait()
    failed,   // answers, but not like an engine in good health; or does not answer in time
};

struct FailureCause {
    ErrorCode code = ErrorCode::engine_failed;
    Text text;
};

// One running engine. Destroying the object lets it run on: a later run of this program adopts it.
class EngineInstance {
  public:
    virtual ~EngineInstance() = default;

    virtual Record record() const = 0;
    virtual std::shared_ptr<Upstream> upstream() const = 0;
    virtual std::string model() const = 0;  // the name to send in the field `model`

    // Until it ends without having been asked to; answers how ("exit code 1"). Can be cancelled and called again.
    virtual Task<std::string> wait() = 0;
    virtual Task<Health> probe() = 0;
    // What it really runs with, as the JSON object of the contract's EffectiveConfig. Throws ENGINE_FAILED.
    virtual Task<std::string> effective() = 0;
    virtual Task<std::optional<std::uint64_t>> memory() = 0;  // nullopt: not known
    // The probable cause of an end that nobody asked for, from the last log lines.
    virtual FailureCause explain(const std::vector<std::string>& log) const = 0;
    // Ends it and removes what it used (sockets, containers); also after it has ended by itself.
    virtual Task<> stop(std::chrono::milliseconds grace) = 0;
};

struct Availability {
    std::optional<std::string> version;
    std::optional<Text> reason;  // why it can't be used; empty: it can
    Details remedy = {};         // what would help then
};

class Engine {
  public:
    virtual ~Engine() = default;

    virtual const EngineDescriptor& descriptor() const = 0;
    // Of an engine whose instances are described by files: a config names one of them as "template".
    virtual std::vector<EngineDescriptor> templates() const { return {}; }
    // Looked for again each time, so that what is installed later is found.
    virtual Task<Availability> availability() = 0;
    // Mistakes of a deployment's config; empty: none.
    virtual Details check(const std::string& config) const = 0;
    // The config with what is left to the engine filled in, so that it stays as it was chosen.
    virtual std::string complete(const std::string& config, std::string_view format) const;
    // Under which names instances with this config tell their metrics at /metrics; nothing: they tell none.
    virtual std::optional<MetricNames> metrics(const std::string& config) const;
    // What its use of memory depends on, of an engine that uses it as llama.cpp does; nullopt: how it does is not
    // known. `has_gpu`: this machine has one.
    virtual std::optional<llama_server::MemorySettings> memory_settings(const std::string& config,
                                                                        const std::string& gpu_device,
                                                                        bool has_gpu) const;
    // Takes what is secret out of a config and keeps it where only this engine finds it; answers the rest.
    virtual Task<std::string> keep_secrets(std::string deployment, std::string config);
    virtual Task<> forget(std::string deployment);  // these secrets

    // What may take long or fail before anything exists: finds the program, chooses the address. Throws
    // ENGINE_UNAVAILABLE, PORT_IN_USE. The record is stored before start() is called, so that whatever kills this
    // program in between, the next run finds the instance by its record or by its marks.
    virtual Task<Record> prepare(const Order& order) = 0;
    virtual Task<std::unique_ptr<EngineInstance>> start(Order order, Record prepared) = 0;
    // Null when that instance has ended; what it left is then removed.
    virtual Task<std::unique_ptr<EngineInstance>> adopt(Order order, Record record) = 0;
    // Ends instances of an earlier run that are not among these.
    virtual Task<> sweep(std::vector<Record> kept, std::chrono::milliseconds grace) = 0;
    // Ends what it does in the background; instances run on.
    virtual Task<> close();
};

// Every engine that this program knows, available or not.
class EngineSet {
  public:
    explicit EngineSet(std::vector<std::unique_ptr<Engine>> engines) : engines_(std::move(engines)) {}

    Engine* find(std::string_view name) const;
    Engine& get(std::string_view name) const;  // ENGINE_UNAVAILABLE for one that is not here any more
    const std::vector<std::unique_ptr<Engine>>& all() const { return engines_; }

  private:
    std::vector<std::unique_ptr<Engine>> engines_;
};

}  // namespace llmm::engines
