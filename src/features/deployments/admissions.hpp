#pragma once
#include "features/deployments/admission.hpp"
#include "features/deployments/deployment.hpp"

#include <cstddef>
#include <map>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::deployments {

// The doors of all deployments: whoever asks an engine goes through the same one. Used from the event loop only.
class Admissions {
  public:
    struct Limits {
        std::size_t at_once = 0;  // requests of one deployment; 0: as many as its engine has slots
        std::size_t waiting = 512;
    };
    Admissions(asio::any_io_executor executor, Limits limits) : executor_(std::move(executor)), limits_(limits) {}

    // As wide as the engine has slots, as far as this state of the deployment tells.
    std::shared_ptr<Admission> of(const Deployment& deployment);
    // Those that nobody holds.
    void forget();
    const std::map<DeploymentId, std::shared_ptr<Admission>>& all() const { return doors_; }

  private:
    asio::any_io_executor executor_;
    const Limits limits_;
    std::map<DeploymentId, std::shared_ptr<Admission>> doors_;
};

}  // namespace llmm::deployments
