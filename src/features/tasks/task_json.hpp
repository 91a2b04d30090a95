#pragma once
#include "features/tasks/task.hpp"

#include <boost/json/fwd.hpp>

namespace llmm::tasks {

boost::json::object to_json(const QueuedTask& task);

}  // namespace llmm::tasks
