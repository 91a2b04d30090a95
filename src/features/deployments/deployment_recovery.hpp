#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "features/deployments/deployment_runner.hpp"
#include "features/deployments/deployment_store.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <vector>

namespace llmm::deployments {

// After a start of the manager: makes rows and engines agree. Answers the instances that go on. Ended are those that
// nobody wants and those of this home that no row names; removed are the rows of dead ones.
Task<std::map<DeploymentId, std::vector<Runner::Adopted>>> recover_engines(DeploymentStore& store,
                                                                           const engines::EngineSet& engines,
                                                                           std::filesystem::path home,
                                                                           std::chrono::milliseconds stop_grace);

}  // namespace llmm::deployments
