#pragma once
#include "features/store/store_service.hpp"
#include "http/router.hpp"

namespace llmm::store {

class StoreRoutes {
  public:
    explicit StoreRoutes(StoreService& store) : store_(store) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> import_path(const http::Request& request);
    Task<http::Response> start_import(const http::Request& request);
    Task<http::Response> show_import(const http::Request& request);
    Task<http::Response> link(const http::Request& request);
    Task<http::Response> collect(const http::Request& request);
    Task<http::Response> verify(const http::Request& request);
    Task<http::Response> show(const http::Request& request);
    Task<http::Response> begin(const http::Request& request, ImportRequest wish);

    StoreService& store_;
};

}  // namespace llmm::store
