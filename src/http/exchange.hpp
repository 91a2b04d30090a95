#pragma once
#include "base/async/task.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

#include <functional>
#include <string_view>

namespace llmm::http {

// The answer to one request in the making, for a handler that finds out late whether it is one piece or a stream. The
// handler is cancelled as soon as the client closes the connection. What it throws before anything was sent becomes the
// error response; afterwards the connection is cut. Every write resumes when the system has taken the bytes, and throws
// when the client is gone.
class Exchange {
  public:
    virtual ~Exchange() = default;
    virtual bool begun() const = 0;
    // The whole answer.
    virtual Task<> send(Response response) = 0;
    // Status and headers of a stream; they travel with its first piece.
    virtual void begin(Response head) = 0;
    virtual Task<> write(std::string_view piece) = 0;
    // The end of the stream, with a last piece that may be empty.
    virtual Task<> finish(std::string_view piece) = 0;
};

// May take what it needs out of the request.
using ExchangeHandler = std::function<Task<>(Request&, Exchange&)>;

}  // namespace llmm::http
