#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/config/config.hpp"
#include "integrations/engines/engine.hpp"

#include <boost/asio/any_io_executor.hpp>

namespace llmm::app {

// Every engine of this program, in the order in which "auto" tries them.
engines::EngineSet make_engines(const Config& config, asio::any_io_executor executor, BlockingPool& files);

}  // namespace llmm::app
