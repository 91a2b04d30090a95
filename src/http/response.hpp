#pragma once
#include "base/async/task.hpp"
#include "base/net/http_client.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::http {

// Takes the pieces of a body whose length nobody knows yet.
class BodyWriter {
  public:
    virtual ~BodyWriter() = default;
    // Resumes when the system has taken the bytes: a slow client slows the producer down. Throws when the client is
    // gone.
    virtual Task<> write(std::string_view data) = 0;
};

struct Response {
    int status = 200;
    HttpHeaders headers;
    std::string body;
    // When set, produces the body instead; what it needs it owns (it outlives the handler).
    std::function<Task<>(BodyWriter&)> stream;
    bool as_is = false;  // no compression: the body is passed on as it came
    // Quoted entity tag; the session answers If-None-Match with it.
    std::string etag;
};

std::string_view reason_phrase(int status);

// A named event for a stream of text/event-stream. The data must be one line (serialised JSON is).
std::string server_sent_event(std::string_view event, std::string_view id, std::string_view data);
// A response that begins such a stream; without a function it is the head alone, for an exchange that writes the rest.
Response event_stream(std::function<Task<>(BodyWriter&)> stream = {});

}  // namespace llmm::http
