#pragma once
#include <boost/asio/awaitable.hpp>

namespace llmm {

namespace asio = boost::asio;

// A coroutine of the event loop. Parameters are taken by value, or by reference to objects that outlive it;
// lambdas that capture are never coroutines (their captures die before the coroutine does).
template <class T = void>
using Task = asio::awaitable<T>;

}  // namespace llmm
