#pragma once
#include "features/system/system_service.hpp"
#include "http/router.hpp"

namespace llmm::system {

class SystemRoutes {
  public:
    struct Database {
        std::string kind;  // "sqlite", "postgresql"
        std::optional<std::string> version;
    };
    SystemRoutes(SystemService& service, Database database) : service_(service), database_(std::move(database)) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> info(const http::Request& request);
    Task<http::Response> resources(const http::Request& request);
    Task<http::Response> history(const http::Request& request);
    Task<http::Response> gpus(const http::Request& request);
    Task<http::Response> health(const http::Request& request);
    Task<http::Response> readiness(const http::Request& request);

    SystemService& service_;
    Database database_;
};

}  // namespace llmm::system
