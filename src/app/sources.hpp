#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/config/config.hpp"
#include "base/net/http_client.hpp"
#include "base/net/url.hpp"
#include "base/net/url_guard.hpp"
#include "features/downloads/download_service.hpp"
#include "features/models/hub_service.hpp"
#include "integrations/clamav/clamd.hpp"
#include "integrations/huggingface/huggingface_hub.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

// Where models come from and how they are fetched, as the configuration says.
namespace llmm::app {

using Mirrors = std::vector<std::unique_ptr<hubs::HuggingFaceHub>>;

std::optional<Url> parse_endpoint(const std::string& text);
// Adds a line for each mistake.
void check_sources(const Config& config, std::vector<std::string>& problems);

// What an operator has configured may also be on a private network.
std::vector<std::string> allowed_hosts(const Config& config);
// The configured token, or the one that HuggingFace's own tools keep for this user.
SecretString huggingface_token(const Config& config);
// Without the token: a mirror belongs to somebody else.
Mirrors make_mirrors(const Config& config, HttpClient& http, const UrlGuard& guard);
std::vector<models::Mirror> mirrors_of(const Config& config, const Mirrors& mirrors);
std::unique_ptr<clamav::Clamd> make_scanner(const Config& config, BlockingPool& files);  // null: nothing is scanned
downloads::DownloadService::Settings download_settings(const Config& config);

}  // namespace llmm::app
