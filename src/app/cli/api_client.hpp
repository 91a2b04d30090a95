#pragma once
#include "app/cli/api.hpp"
#include "app/cli/connection.hpp"
#include "app/cli/texts.hpp"

#include <memory>
#include <string>

namespace llmm::app::cli {

// The API over HTTP with libcurl, one blocking transfer at a time.
class ApiClient final : public Api {
  public:
    ApiClient(Connection connection, Texts texts);
    ~ApiClient() override;

    json::value send(const ApiRequest& request) override;
    json::value read(const std::string& path) override;
    void stream(const ApiRequest& request, const std::function<bool(const ServerEvent&)>& on_event) override;
    const std::string& url() const override { return connection_.url; }

  private:
    struct Transfer;
    void perform(const ApiRequest& request, Transfer& transfer);
    json::value parse(const std::string& body, long status) const;
    [[noreturn]] void refuse(const std::string& body, long status) const;

    struct CurlDeleter {
        void operator()(void* handle) const;
    };
    Connection connection_;
    Texts texts_;
    std::unique_ptr<void, CurlDeleter> curl_;  // CURL*, kept for its connection
};

}  // namespace llmm::app::cli
