#pragma once
#include "base/async/blocking_pool.hpp"
#include "http/router.hpp"

#include <filesystem>
#include <string>

namespace llmm::app {

// The API description and the page that shows it.
class DocsRoutes {
  public:
    // `directory` holds the page's files (share/docs).
    DocsRoutes(std::filesystem::path directory, BlockingPool& files)
        : directory_(std::move(directory)), files_(files) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> description(const http::Request& request);
    Task<http::Response> page(const http::Request& request);
    Task<http::Response> asset(const http::Request& request);
    Task<http::Response> file(std::string name);

    std::filesystem::path directory_;
    BlockingPool& files_;
};

}  // namespace llmm::app
