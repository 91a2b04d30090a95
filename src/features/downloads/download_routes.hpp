#pragma once
#include "features/downloads/download_service.hpp"
#include "http/router.hpp"

namespace llmm::downloads {

class DownloadRoutes {
  public:
    explicit DownloadRoutes(DownloadService& downloads) : downloads_(downloads) {}
    void add_to(http::Router& router);

  private:
    using Action = Task<std::pair<Download, bool>> (DownloadService::*)(DownloadId);

    Task<http::Response> start(const http::Request& request);
    Task<http::Response> list(const http::Request& request);
    Task<http::Response> show(const http::Request& request);
    Task<http::Response> update(const http::Request& request);
    Task<http::Response> remove(const http::Request& request);
    Task<http::Response> pause(const http::Request& request);
    Task<http::Response> resume(const http::Request& request);
    Task<http::Response> cancel(const http::Request& request);
    Task<http::Response> retry(const http::Request& request);
    Task<http::Response> begin(const http::Request& request, Action action);

    DownloadService& downloads_;
};

}  // namespace llmm::downloads
