#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"

#include <chrono>
#include <list>
#include <memory>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

namespace llmm {

// Owns background coroutines: nothing runs detached. Whoever spawns calls stop() before it goes away. Used from the
// event loop only.
class TaskGroup {
  public:
    explicit TaskGroup(asio::any_io_executor executor);
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    // Starts the coroutine. An exception that leaves it is logged under `name`; a cancelled one ends quietly.
    void spawn(std::string_view name, Task<> task);
    void cancel();
    // Resumes when every coroutine has ended.
    Task<> wait();
    // cancel() and wait(). Nothing can be spawned afterwards.
    Task<> stop();
    std::size_t size() const { return size_; }

  private:
    struct Member;
    asio::any_io_executor executor_;
    std::list<std::shared_ptr<Member>> members_;
    std::size_t size_ = 0;
    bool stopping_ = false;
    Signal changed_;
};

}  // namespace llmm
