#pragma once
#include "features/models/model_service.hpp"
#include "http/router.hpp"

namespace llmm::models {

// Starts the verification of a model in the background and answers the task as JSON text; the queue belongs to another
// feature, so the wiring brings the two together.
using StartVerification = std::function<Task<std::pair<std::string, std::string>>(ModelId)>;

class ModelRoutes {
  public:
    ModelRoutes(ModelService& models, StartVerification start_verification)
        : models_(models), start_verification_(std::move(start_verification)) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> list(const http::Request& request);
    Task<http::Response> show(const http::Request& request);
    Task<http::Response> update(const http::Request& request);
    Task<http::Response> remove(const http::Request& request);
    Task<http::Response> files(const http::Request& request);
    Task<http::Response> verify(const http::Request& request);

    ModelService& models_;
    StartVerification start_verification_;
};

}  // namespace llmm::models
