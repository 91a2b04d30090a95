#pragma once
#include "app/cli/terminal.hpp"

#include <optional>
#include <string>
#include <vector>

namespace llmm::app::cli {

struct DeployOptions {
    std::string model, name;  // with the engine "external" the model is the server's address
    std::string engine;       // empty: the service chooses
    std::optional<int> port;
    std::optional<long> context, parallel, gpu_layers;
    std::vector<std::string> settings;  // "key=value"
    bool wait = false;
};
int deploy(Session& session, const DeployOptions& options);
int list_deployed(Session& session);
int stop(Session& session, const std::string& deployment);
int start(Session& session, const std::string& deployment, bool wait);

struct LogOptions {
    std::string deployment;
    bool follow = false;
    int tail = 200;
};
int logs(Session& session, const LogOptions& options);

// Starts the deployment unless it runs or is starting; answers it as it is then.
json::object ensure_started(Session& session, json::object deployment);
// Until it runs. CommandFailed when it does not come to that.
json::object wait_until_running(Session& session, json::object deployment);

}  // namespace llmm::app::cli
