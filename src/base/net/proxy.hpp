#pragma once
#include "base/net/http_client.hpp"

#include <string>

namespace llmm {

// The proxy for this URL, empty for none. Decided here and not by libcurl, so that the guard and the connection can't
// disagree about who resolves the name.
std::string proxy_for(const HttpClient::Options& options, const Url& url);

}  // namespace llmm
