#pragma once
#include <boost/json/fwd.hpp>

#include "features/tasks/task.hpp"

namespace llmm::tasks {

boost::json::object to_json(const QueuedTask& task);

}  // namespace llmm::tasks
