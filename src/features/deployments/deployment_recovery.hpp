#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "features/deployments/deployment_reconciler.hpp"
#include "features/deployments/deployment_store.hpp"

#include <chrono>
#include <filesystem>
#include <map>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::deployments {

// After a start of the manager: makes rows and processes agree. Answers the engines that go on, at most one a
// deployment. Ended are engines that nobody wants and those of this home that no row names; removed are the rows of
// dead ones.
Task<std::map<DeploymentId, Reconciler::Adopted>> recover_engines(asio::any_io_executor executor,
                                                                  DeploymentStore& store, BlockingPool& files,
                                                                  std::filesystem::path home,
                                                                  std::chrono::milliseconds stop_grace);

}  // namespace llmm::deployments
