#pragma once
#include "base/async/task.hpp"

#include <cstddef>

namespace llmm {

// Runs both until the first ends, cancels the other and waits for it. Answers which was first (0 or 1); an exception of
// the first is thrown, one of the other is dropped. (Asio's operator|| goes on waiting after an exception.)
Task<std::size_t> race(Task<> a, Task<> b);

// Awaits a value into a place, so that a coroutine with a result can take part in a race.
template <class T, class Place>
Task<> assign(Task<T> from, Place& place) {
    place = co_await std::move(from);
}

}  // namespace llmm
