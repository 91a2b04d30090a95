#pragma once
#include "features/downloads/download_service.hpp"
#include "features/gateway/gateway_service.hpp"
#include "features/gateway/ollama_json.hpp"
#include "http/router.hpp"

namespace llmm::gateway {

// Ollama's API, so that its clients work with our models. Those that are here and not deployed are deployed when asked
// for, as Ollama loads them.
class OllamaRoutes {
  public:
    struct Deps {
        GatewayService& gateway;
        ModelDirectory& directory;
        AliasStore& aliases;
        deployments::DeploymentService& deployments;
        models::ModelService& models;
        downloads::DownloadService& downloads;
    };
    explicit OllamaRoutes(Deps deps) : deps_(deps) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> version(const http::Request& request);
    Task<http::Response> tags(const http::Request& request);
    Task<http::Response> ps(const http::Request& request);
    Task<http::Response> show(const http::Request& request);
    Task<http::Response> copy(const http::Request& request);
    Task<http::Response> remove(const http::Request& request);
    Task<> chat(http::Request& request, http::Exchange& exchange);
    Task<> generate(http::Request& request, http::Exchange& exchange);
    Task<> embed(http::Request& request, http::Exchange& exchange);
    Task<> embeddings(http::Request& request, http::Exchange& exchange);
    Task<> pull(http::Request& request, http::Exchange& exchange);

    struct Talk;
    Task<> answer(http::Request& request, http::Exchange& exchange, bool is_chat);
    Task<> converse(Talk& talk);
    Task<> load(Talk& talk, const Target& target);
    Task<> embed_with(http::Request& request, http::Exchange& exchange, bool old_shape);
    Task<> follow(http::Exchange& exchange, downloads::Started started, bool stream);

    struct Named {
        std::string name;
        models::Model model;
    };
    Task<std::vector<Named>> all_models();
    Task<models::Model> model_of(std::string name);
    Task<std::string> digest_of(ModelId id);

    Deps deps_;
};

}  // namespace llmm::gateway
