#pragma once
#include "base/net/http_client.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace llmm {

// RFC 9110 5.6.2: what a method or a field name is made of.
bool is_http_token(std::string_view text);
// Throws HttpError protocol for a method, header or bearer that would break out of its line, and for headers that frame
// the message or choose the host: those are the client's.
void check_request(const HttpRequest& request);

// Builds a response's head from its lines, as libcurl hands them over one by one.
class HeadReader {
  public:
    static constexpr std::size_t kMaxBytes = 64 * 1024;  // interim responses and trailers included

    enum class Result { more, head_complete, too_large, malformed };
    Result add_line(std::string_view line);

    int status() const { return status_; }
    const HttpHeaders& headers() const { return headers_; }
    HttpHeaders take_headers() { return std::move(headers_); }
    bool complete() const { return complete_; }

  private:
    Result add_field(std::string_view line);

    std::size_t bytes_ = 0;
    int status_ = 0;
    bool complete_ = false;
    HttpHeaders headers_;
};

}  // namespace llmm
