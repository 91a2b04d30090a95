#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "base/config/config.hpp"
#include "integrations/engines/engine.hpp"

#include <boost/asio/any_io_executor.hpp>

namespace llmm::tasks {
class TaskQueue;
}

namespace llmm::app {

// Every engine of this program, in the order in which "auto" tries them. `resources` is the folder share/.
engines::EngineSet make_engines(const Config& config, const std::filesystem::path& resources,
                                asio::any_io_executor executor, BlockingPool& files, tasks::TaskQueue& queue);

}  // namespace llmm::app
