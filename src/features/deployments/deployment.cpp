#include "features/deployments/deployment.hpp"

namespace llmm::deployments {

std::string_view name_of(Status status) {
    switch (status) {
        case Status::deploying:
            return "deploying";
        case Status::running:
            return "running";
        case Status::stopped:
            return "stopped";
        case Status::failed:
            return "failed";
    }
    return "failed";
}

std::string_view name_of(Desired desired) {
    return desired == Desired::running ? "running" : "stopped";
}

std::string_view name_of(InstanceState state) {
    switch (state) {
        case InstanceState::starting:
            return "starting";
        case InstanceState::ready:
            return "ready";
        case InstanceState::stopping:
            return "stopping";
    }
    return "stopping";
}

std::optional<Status> parse_status(std::string_view text) {
    for (const Status status : {Status::deploying, Status::running, Status::stopped, Status::failed}) {
        if (name_of(status) == text) return status;
    }
    return std::nullopt;
}

}  // namespace llmm::deployments
