#pragma once
#include "base/net/http_client.hpp"

#include <cstddef>
#include <string>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace llmm {

// Collects the head of a response and hands out its body in the pieces that arrive. Beast checks the syntax
// and the framing (chunked, Content-Length, until the end of the connection).
class UpstreamParser : public boost::beast::http::basic_parser<false> {
  public:
    static constexpr std::uint32_t kMaxHeadBytes = 32 * 1024;

    // The answer to HEAD has the framing of a body, but none.
    explicit UpstreamParser(bool answers_head) {
        header_limit(kMaxHeadBytes);
        body_limit(boost::none);  // whoever reads the body bounds it
        eager(true);
        skip(answers_head);
    }

    int status() const { return status_; }
    HttpHeaders& headers() { return headers_; }
    bool has_piece() const { return !piece_.empty(); }
    std::string take_piece() { return std::exchange(piece_, {}); }

  private:
    using error_code = boost::beast::error_code;
    using string_view = boost::beast::string_view;

    void on_request_impl(boost::beast::http::verb, string_view, string_view, int, error_code& ec) override {
        ec = boost::beast::http::error::bad_method;
    }
    void on_response_impl(int code, string_view, int, error_code&) override { status_ = code; }
    void on_field_impl(boost::beast::http::field, string_view name, string_view value, error_code&) override {
        // Behind the body come trailers, which nobody asked for (TE).
        if (!head_ended_) headers_.push_back({std::string(name), std::string(value)});
    }
    void on_header_impl(error_code&) override { head_ended_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view body, error_code&) override { return take(body); }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override { return take(body); }
    void on_finish_impl(error_code&) override {}

    std::size_t take(string_view body) {
        piece_.append(body.data(), body.size());
        return body.size();
    }

    int status_ = 0;
    bool head_ended_ = false;
    HttpHeaders headers_;
    std::string piece_;
};

}  // namespace llmm
