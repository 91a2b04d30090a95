#pragma once
#include "base/net/http_client.hpp"
#include "base/time/time.hpp"

#include <optional>
#include <string>

namespace llmm::hubs::huggingface {

// The cursor of the page after the one at `page`, from its Link header; empty: no more. Only the cursor is
// taken from what the hub wrote, so that nobody else can choose where the next request goes. HUB_BAD_RESPONSE
// when the link leads to another origin or path, or has no cursor.
std::string next_cursor(const Url& page, const HttpHeaders& headers);

// When a signed URL stops working: from Expires (CloudFront), or X-Amz-Date and X-Amz-Expires (S3). nullopt:
// not signed.
std::optional<TimePoint> expiry_of(const Url& url);

}  // namespace llmm::hubs::huggingface
