#pragma once
#include "base/net/http_client.hpp"
#include "support/raw_server.hpp"
#include "support/run_task.hpp"

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace llmm::test {

// A client that may talk to the servers of the test.
class HttpClientTest : public testing::Test {
  protected:
    HttpRequest get(const RawServer& server, std::string_view path = "/") {
        return {.url = Url::parse(server.url(path)).value()};
    }
    HttpResponse fetch(HttpRequest request) { return run_task(client.fetch(std::move(request))); }
    HttpFailure failure(HttpRequest request) { return failure_in(client, std::move(request)); }
    static HttpFailure failure_in(HttpClient& some_client, HttpRequest request) {
        try {
            const HttpResponse response = run_task(some_client.fetch(std::move(request)));
            throw std::runtime_error("got a response: " + std::to_string(response.status));
        } catch (const HttpError& e) {
            return e.failure();
        }
    }

    asio::io_context loop;  // outlives the client
    const UrlGuard guard{{"127.0.0.1"}};
    HttpClient client{{.user_agent = "test/1"}, guard};
};

// A whole answer with this body.
inline std::string ok(std::string_view body, std::string_view headers = "") {
    return "HTTP/1.1 200 OK\r\n" + std::string(headers) + "Content-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + std::string(body);
}

// Answers every request of a connection, and hands the requests to the test.
class Recorder {
  public:
    RawServer::Script script(std::string answer) {
        return [this, answer](RawConnection& connection) {
            for (std::string request; !(request = connection.read_request()).empty();) {
                {
                    const std::lock_guard lock(mutex_);
                    last_ = std::move(request);
                }
                connection.write(answer);
            }
        };
    }
    std::string last() {
        const std::lock_guard lock(mutex_);
        return last_;
    }

  private:
    std::mutex mutex_;
    std::string last_;
};

// Keeps what arrives.
class CollectingSink : public BodySink {
  public:
    bool on_head(int status, const HttpHeaders& headers) override {
        ++heads;
        last_status = status;
        last_headers = headers;
        return take_body;
    }
    bool on_data(std::span<const std::byte> data) override {
        body.append(reinterpret_cast<const char*>(data.data()), data.size());
        ++pieces;
        return body.size() < stop_at;
    }

    bool take_body = true;
    std::size_t stop_at = SIZE_MAX;
    int heads = 0;
    int last_status = 0;
    HttpHeaders last_headers;
    std::string body;
    std::atomic<int> pieces = 0;
};

}  // namespace llmm::test
