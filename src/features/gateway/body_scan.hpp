#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::gateway {

// Where something stands in a body.
struct Span {
    std::size_t begin = 0, end = 0;
};

// What the gateway needs to know of a request's body, read in place: the body itself is passed on as it is.
struct ScannedBody {
    struct Member {
        Span whole, value;  // whole: from the key's quote to the end of the value
        bool allowed = true;
    };
    std::string model;
    std::optional<Span> model_value;
    bool stream = false;
    bool include_usage = false;  // stream_options.include_usage
    std::optional<std::int64_t> max_tokens;
    Span prompt;                  // the value of messages, prompt or input
    std::vector<Member> members;  // of the object, in order
    bool all_allowed = true;
};

// Names of the fields that an engine may get, sorted.
using FieldList = std::span<const std::string_view>;

// Checks the JSON syntax of the whole body (UTF-8 is left to the engine), its depth, and that it is an object. Throws
// MALFORMED_JSON; VALIDATION_FAILED for a field of ours that has a wrong type or stands there twice (two readers of the
// same body would disagree on which one counts), and for media that the engine would have to fetch from somewhere.
ScannedBody scan_body(std::string_view body, FieldList allowed);

// The body without the fields that are not allowed, with this model name and, when asked for, a request for usage at
// the end of the stream. The same bytes where nothing has to change.
std::string rewrite_body(std::string body, const ScannedBody& scanned, std::string_view model, bool ask_for_usage);

}  // namespace llmm::gateway
